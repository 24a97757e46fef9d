"""The tensors of a new PyTorch file, as its pickle describes them: each group lies in a storage of its own.

Source: ``torch/_utils.py`` and ``torch/serialization.py`` of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.layout import byte_length
from theta_checkpoint.layout import contiguous_strides
from theta_checkpoint.new_structure import Blank
from theta_checkpoint.new_structure import BlankView
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.pickled_tensors import PickledTensor
from theta_checkpoint.torch_types import TORCH_DTYPES
from theta_checkpoint.torch_types import TORCH_STORAGES

_STORAGE_OF = {dtype: storage for storage, dtype in TORCH_STORAGES.items()}
_TORCH_NAME_OF = {dtype: name for name, dtype in TORCH_DTYPES.items()}
_UNTYPED = Global("torch.storage", "UntypedStorage")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor of the new file lies."""

    blank: Blank
    key: str
    """of the storage"""
    nbytes: int
    """of the storage"""
    typed: bool
    """whether every tensor in the storage has the storage's own dtype"""
    offset: int
    """bytes"""


class NewTensors:
    """The tensors by name; the n-th group has the storage ``n``.

    A group called ``NAME#storage`` is no tensor, only the storage of what is tied to it. Raises
    :class:`CannotWrite` for a tie without an owner, and a name that occurs twice.
    """

    def __init__(self, groups: Sequence[Blank], ties: Iterable[BlankView]) -> None:
        tied: dict[str, list[BlankView]] = {group.name: [] for group in groups}
        for tie in ties:
            if tie.owner not in tied:
                raise CannotWrite(f"{tie.name}: {tie.owner}, which holds its bytes, is missing")
            tied[tie.owner].append(tie)
        self._places: dict[str, _Place] = {}
        self.written: set[str] = set()
        """the names that were asked for"""
        self.storages: dict[int, Persistent] = {}
        """every reference to a new storage, by identity"""
        for key, group in enumerate(groups):
            nbytes = byte_length(group.dtype, group.shape)
            typed = group.dtype in _STORAGE_OF and all(tie.dtype == group.dtype for tie in tied[group.name])
            own: list[tuple[Blank, int]] = [] if group.name.endswith("#storage") else [(group, 0)]
            for blank, offset in own + [(tie, tie.offset) for tie in tied[group.name]]:
                if blank.name in self._places:
                    raise CannotWrite(f"{blank.name}: it occurs twice")
                self._places[blank.name] = _Place(blank, str(key), nbytes, typed, offset)

    @property
    def names(self) -> Iterable[str]:
        """The names of all tensors."""
        return self._places.keys()

    def tensor(self, name: str, like: PickledTensor | None = None) -> Inert | Persistent:
        """A tensor of the new file; what is no matter of place is as in ``like``: gradient, device, quantizer."""
        self.written.add(name)
        made = _made(self._places[name], like)
        storage = made.args[0] if isinstance(made, Inert) else made
        assert isinstance(storage, Persistent)
        self.storages[id(storage)] = storage
        return made


def new_tensor(blank: Blank, number: int) -> Inert:
    """A tensor that alone has the storage of this number."""
    typed = blank.dtype in _STORAGE_OF
    place = _Place(blank, str(number), byte_length(blank.dtype, blank.shape), typed, 0)
    return _tensor(place, "cpu", False, Inert(Global("collections", "OrderedDict")))


def _made(place: _Place, like: PickledTensor | None) -> Inert | Persistent:
    if like is None:
        return _tensor(place, "cpu", False, Inert(Global("collections", "OrderedDict")))
    if isinstance(like.node, Persistent):
        return _same_storage(place, like, like.node)
    storage, _, _, _, *rest = like.node.args
    assert isinstance(storage, Persistent)
    function = like.node.function.name if isinstance(like.node.function, Global) else ""
    if function == "_rebuild_qtensor" or like.dtype is None:
        if like.dtype is None and place.nbytes != like.storage.numel:
            raise CannotWrite(
                f"{place.blank.name}: its elements are of the type {like.type}, of which nothing is known"
            )
        offset = _elements(place) if like.dtype else like.node.args[1]
        shape = (place.blank.shape, _strides(place)) if like.dtype else like.node.args[2:4]
        return Inert(like.node.function, (_same_storage(place, like, storage), offset, *shape, *rest))
    metadata = rest[3:] if function == "_rebuild_tensor_v3" else rest[2:]
    grad, hooks = rest[:2] if len(rest) > 1 else (False, Inert(Global("collections", "OrderedDict")))
    return _tensor(place, _location(storage), grad, hooks, *metadata)


def _tensor(place: _Place, location: object, *more: object) -> Inert:
    """The call that makes a tensor; ``more`` are gradient, hooks and metadata."""
    dtype, blank = place.blank.dtype, place.blank
    where = (_elements(place), blank.shape, _strides(place))
    if place.typed:
        storage = _storage(place, Global("torch", _STORAGE_OF[dtype]), location, place.nbytes // _itemsize(place))
        return Inert(Global("torch._utils", "_rebuild_tensor_v2"), (storage, *where, *more))
    grad, hooks, *metadata = more
    storage = _storage(place, _UNTYPED, location, place.nbytes)
    kind = Global("torch", _TORCH_NAME_OF[dtype])
    return Inert(Global("torch._utils", "_rebuild_tensor_v3"), (storage, *where, grad, hooks, kind, *metadata))


def _same_storage(place: _Place, like: PickledTensor, storage: Persistent) -> Persistent:
    """The storage that holds the tensor, of the class that it was of."""
    untyped = like.dtype is None or like.storage.type == "UntypedStorage"
    if not untyped and (like.dtype != place.blank.dtype or not place.typed):
        raise CannotWrite(f"{place.blank.name}: a {like.type} cannot become {place.blank.dtype}")
    size = place.nbytes if untyped else place.nbytes // _itemsize(place)
    return _storage(place, Global("torch", like.storage.type), _location(storage), size)


def _storage(place: _Place, kind: Global, location: object, numel: int) -> Persistent:
    module = _UNTYPED if kind.name == _UNTYPED.name else kind
    return Persistent(("storage", module, place.key, location, numel))


def _location(storage: Persistent) -> object:
    assert isinstance(storage.id, tuple)
    return storage.id[3]


def _elements(place: _Place) -> int:
    offset, rest = divmod(place.offset, _itemsize(place))
    if rest:
        raise CannotWrite(f"{place.blank.name}: it does not start at a whole element of {place.blank.dtype}")
    return offset


def _strides(place: _Place) -> tuple[int, ...]:
    return place.blank.strides or contiguous_strides(place.blank.shape)


def _itemsize(place: _Place) -> int:
    return DTYPES[place.blank.dtype].itemsize
