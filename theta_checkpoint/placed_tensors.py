"""The groups, aliases and values of pickled tensors, once it is known where their storages lie."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TypeVar

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Value
from theta_checkpoint.pickled_tensors import Entry
from theta_checkpoint.pickled_tensors import PickledTensor
from theta_checkpoint.storages import Storage
from theta_checkpoint.storages import TensorView
from theta_checkpoint.storages import owned
from theta_checkpoint.storages import unreferenced

_Named = TypeVar("_Named", Group, Alias, Value)


@dataclass(frozen=True, slots=True)
class Pickled:
    """What one pickle holds, and the storages that it may refer to by key."""

    entries: list[Entry]
    storages: Mapping[str, Storage]


def placed(pickles: Iterable[Pickled]) -> tuple[tuple[Group, ...], tuple[Alias, ...], tuple[Value, ...]]:
    """The groups, aliases and values of a file, each sorted by name.

    The second entry of a name is called ``NAME#2``, and so on; an entry without a name ``content``.
    Raises :class:`DamagedCheckpoint`.
    """
    groups: list[Group] = []
    aliases: list[Alias] = []
    values: list[Value] = []
    taken: dict[str, int] = {}
    for pickle in pickles:
        views: dict[str, list[TensorView]] = {key: [] for key in pickle.storages}
        for entry in _with_unique_names(pickle.entries, taken):
            if isinstance(entry, Value):
                values.append(entry)
            else:
                values += _placed(entry, pickle.storages.get(entry.storage.key), views)
        for key, storage in pickle.storages.items():
            more, tied = owned(storage, views[key]) if views[key] else (unreferenced(storage), [])
            groups += more
            aliases += tied
    return _sorted(groups), _sorted(aliases), _sorted(values)


def _placed(tensor: PickledTensor, storage: Storage | None, views: dict[str, list[TensorView]]) -> list[Value]:
    """Adds the tensor to the views of its storage; the values that say what a view cannot."""
    described = f"{tensor.type}[{','.join(map(str, tensor.shape))}]"
    if storage is None:
        raise DamagedCheckpoint(f"storage {tensor.storage.key!r} of tensor {tensor.name[:200]!r} is missing")
    if tensor.dtype:
        view = TensorView(tensor.name, tensor.dtype, tensor.shape, tensor.strides, tensor.offset)
    else:
        view = TensorView(tensor.name, "U8", (storage.length,), (1,), 0)
    views[storage.key].append(view)
    return [] if tensor.dtype else [Value(f"{tensor.name}#dtype", json.dumps(described))]


def _with_unique_names(entries: Iterable[Entry], taken: dict[str, int]) -> Iterator[Entry]:
    for entry in entries:
        wanted = entry.name or "content"
        name = wanted
        while name in taken:
            taken[wanted] += 1
            name = f"{wanted}#{taken[wanted]}"
        taken[name] = 1
        yield entry if name == entry.name else replace(entry, name=name)


def _sorted(parts: Iterable[_Named]) -> tuple[_Named, ...]:
    return tuple(sorted(parts, key=lambda part: part.name))
