"""The ``data.pkl`` of a new state dict, written opcode by opcode: nothing of torch is imported.

``torch.load(weights_only=True)`` reads it. Source: ``torch/_utils.py``, ``torch/serialization.py``.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import byte_length
from theta_checkpoint.layout import contiguous_strides
from theta_checkpoint.new_structure import Blank
from theta_checkpoint.new_structure import BlankView
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_structure import tree
from theta_checkpoint.pickled_tensors import TORCH_DTYPES
from theta_checkpoint.pickled_tensors import TORCH_STORAGES

_STORAGE_OF = {dtype: storage for storage, dtype in TORCH_STORAGES.items()}
_TORCH_NAME_OF = {dtype: name for name, dtype in TORCH_DTYPES.items()}
_NO_HOOKS = b"ccollections\nOrderedDict\n)R"


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor in the storage ``key``, which holds ``nbytes`` bytes."""

    key: str
    nbytes: int
    typed: bool
    """whether every tensor in the storage has the storage's own dtype"""
    blank: Blank
    offset: int
    """bytes"""


def state_pickle(groups: Sequence[Blank], ties: Iterable[BlankView], values: Mapping[str, object]) -> bytes:
    """A pickle of nested dicts of tensors and JSON values; the n-th group lies in the storage ``n``.

    A group called ``NAME#storage`` is no entry of its own, only the storage of what is tied to it.
    Raises :class:`CannotWrite`.
    """
    tied: dict[str, list[BlankView]] = {group.name: [] for group in groups}
    for tie in ties:
        if tie.owner not in tied:
            raise CannotWrite(f"{tie.name}: {tie.owner}, which holds its bytes, is missing")
        tied[tie.owner].append(tie)
    leaves: dict[str, object] = dict(values)
    for key, group in enumerate(groups):
        nbytes = byte_length(group.dtype, group.shape)
        typed = group.dtype in _STORAGE_OF and all(tie.dtype == group.dtype for tie in tied[group.name])
        own = [] if group.name.endswith("#storage") else [_View(str(key), nbytes, typed, group, 0)]
        for view in own + [_View(str(key), nbytes, typed, tie, tie.offset) for tie in tied[group.name]]:
            if view.blank.name in leaves:
                raise CannotWrite(f"{view.blank.name}: it occurs twice")
            leaves[view.blank.name] = view
    return b"\x80\x02" + _pickled(tree(leaves)) + b"."


def _pickled(node: object) -> bytes:
    if isinstance(node, _View):
        return _tensor(node)
    if isinstance(node, dict):
        return b"}(" + b"".join(_plain(key) + _pickled(value) for key, value in node.items()) + b"u"
    return _plain(node)


def _plain(value: object) -> bytes:
    """The opcodes of a JSON value, without the first and last that make it a pickle of its own."""
    return pickle.dumps(value, 2)[2:-1]


def _tensor(view: _View) -> bytes:
    blank = view.blank
    offset, rest = divmod(view.offset, DTYPES[blank.dtype].itemsize)
    if rest:
        raise CannotWrite(f"{blank.name}: it does not start at a whole element of {blank.dtype}")
    storage = _global(_STORAGE_OF[blank.dtype]) if view.typed else b"ctorch.storage\nUntypedStorage\n"
    numel = view.nbytes // DTYPES[blank.dtype].itemsize if view.typed else view.nbytes
    place = b"(" + _plain("storage") + storage + b"".join(map(_plain, (view.key, "cpu", numel))) + b"tQ"
    strides = blank.strides or contiguous_strides(blank.shape)
    facts = b"".join(map(_plain, (offset, blank.shape, strides, False)))
    if view.typed:
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + facts + _NO_HOOKS + b"tR"
    dtype = _global(_TORCH_NAME_OF[blank.dtype])
    return b"ctorch._utils\n_rebuild_tensor_v3\n(" + place + facts + _NO_HOOKS + dtype + b"tR"


def _global(name: str) -> bytes:
    return f"ctorch\n{name}\n".encode()
