"""Which tensor owns which bytes: storages and the views into them, as groups and aliases.

A dense tensor that lies inside no other owns its bytes (of equal ones the first by name); a tensor inside an
owner's bytes is an alias. A storage where this leaves out a tensor, or more than :data:`MAX_GAP` bytes,
becomes one flat group into which every tensor is an alias.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import byte_span
from theta_checkpoint.layout import contiguous_strides

MAX_GAP = 4096
"""bytes of a storage that may belong to no tensor; they stay in the skeleton"""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of bytes in the file that tensors view."""

    key: str
    start: int
    """first byte in the file"""
    length: int
    """bytes"""


@dataclass(frozen=True, slots=True)
class TensorView:
    """A named tensor in a storage."""

    name: str
    dtype: str
    """a key of DTYPES"""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """elements per step of each axis, none negative"""
    offset: int
    """bytes from the start of the storage"""

    @property
    def span(self) -> int:
        """Bytes from the first to behind the last element; 0 where it has none."""
        return byte_span(self.dtype, self.shape, self.strides)


def owned(storage: Storage, views: Sequence[TensorView]) -> tuple[list[Group], list[Alias]]:
    """The groups and aliases of one storage; every name among ``views`` appears once.

    A flat group is named ``<first name>#storage``. Raises :class:`DamagedCheckpoint` for a view that reaches
    out of the storage.
    """
    empty = [Group(view.name, view.dtype, view.shape, storage.start, 0) for view in views if 0 in view.shape]
    filled = [view for view in views if 0 not in view.shape]
    for view in filled:
        if view.offset + view.span > storage.length:
            raise DamagedCheckpoint(f"tensor {view.name[:200]!r} reaches out of its storage")
    groups, aliases = _distinct(storage, filled) or _flat(storage, filled)
    return groups + empty, aliases


def unreferenced(storage: Storage) -> list[Group]:
    """The group that keeps the bytes of a storage which no tensor views; none when it is small."""
    if storage.length <= MAX_GAP:
        return []
    return [Group(f"unreferenced/{storage.key}", "U8", (storage.length,), storage.start, storage.length)]


def _distinct(storage: Storage, views: Sequence[TensorView]) -> tuple[list[Group], list[Alias]] | None:
    """Every view as an owner or inside one; None where that cannot be."""
    owners = _owners(views)
    if owners is None or storage.length - sum(owner.span for owner in owners) > MAX_GAP:
        return None
    starts = [owner.offset for owner in owners]
    aliases = []
    for view in views:
        position = bisect_right(starts, view.offset) - 1
        if position < 0 or view.offset + view.span > owners[position].offset + owners[position].span:
            return None
        if view is not owners[position]:
            aliases.append(_alias(view, owners[position].name, owners[position].offset))
    return [_group(storage, owner) for owner in owners], aliases


def _owners(views: Iterable[TensorView]) -> list[TensorView] | None:
    """The dense views that lie inside no other, by offset; None where two of them overlap."""
    owners: list[TensorView] = []
    end = 0
    for view in sorted(filter(_is_dense, views), key=lambda view: (view.offset, -view.span, view.name)):
        if view.offset >= end:
            owners.append(view)
            end = view.offset + view.span
        elif view.offset + view.span > end:
            return None
    return owners


def _flat(storage: Storage, views: Sequence[TensorView]) -> tuple[list[Group], list[Alias]]:
    if not views:
        return unreferenced(storage), []
    first = min(views, key=lambda view: view.name)
    size = DTYPES[first.dtype].itemsize
    dtype, count = ("U8", storage.length) if storage.length % size else (first.dtype, storage.length // size)
    group = Group(f"{first.name}#storage", dtype, (count,), storage.start, storage.length)
    return [group], [_alias(view, group.name, 0) for view in views]


def _alias(view: TensorView, owner: str, start: int) -> Alias:
    return Alias(view.name, view.dtype, view.shape, owner, view.offset - start, _strides_if_not_c_order(view))


def _group(storage: Storage, view: TensorView) -> Group:
    start = storage.start + view.offset
    return Group(view.name, view.dtype, view.shape, start, view.span, _strides_if_not_c_order(view))


def _strides_if_not_c_order(view: TensorView) -> tuple[int, ...] | None:
    """The strides; None for C order. Those of axes of one element say nothing and become 1."""
    pairs = list(zip(view.shape, view.strides, contiguous_strides(view.shape), strict=True))
    if all(extent == 1 or stride == expected for extent, stride, expected in pairs):
        return None
    return tuple(1 if extent == 1 else stride for extent, stride, _ in pairs)


def _is_dense(view: TensorView) -> bool:
    """Whether the elements lie in C order, but for a permutation of the axes."""
    expected = 1
    for stride, extent in sorted((s, e) for s, e in zip(view.strides, view.shape, strict=True) if e != 1):
        if stride != expected:
            return False
        expected *= extent
    return True
