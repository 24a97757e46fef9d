"""The values of a group as numpy arrays: whole, slice by slice, or any slice of them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import Source
from theta_checkpoint.layout import element_count
from theta_checkpoint.manifest import Tensor
from theta_store.arrays import flat_array
from theta_store.arrays import shaped_array
from theta_store.checkpoint import Checkpoint
from theta_store.chunks import MAX_CHUNK

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW = 1 << 16
"""elements read at once for every n-th of them"""


def array(checkpoint: Checkpoint, name: str) -> NDArray[Any]:
    """A group's values in its shape; read-only; bfloat16 and float8 as ml_dtypes types."""
    tensor = checkpoint.manifest.groups[name]
    return shaped_array(_joined(checkpoint.chunks(name), tensor), tensor.dtype, tensor.shape, tensor.strides)


@dataclass(frozen=True, slots=True)
class InPlace:
    """A group's values in C order as a flat array that stays in its file: read as slices are asked for."""

    source: Source
    dtype: str

    def __len__(self) -> int:
        return self.source.size // self._itemsize

    def __getitem__(self, part: slice) -> NDArray[Any]:
        import numpy

        start, stop, step = part.indices(len(self))
        if step == 1:
            raw = self.source.read(start * self._itemsize, max(0, stop - start) * self._itemsize)
            return flat_array(raw, self.dtype)
        window = max(1, _WINDOW // step) * step
        windows = (self[at : min(at + window, stop)] for at in range(start, stop, window))
        # a copy, since a view would hold its window
        return numpy.concatenate([self[:0], *(values[::step].copy() for values in windows)])

    @property
    def _itemsize(self) -> int:
        return DTYPES[self.dtype].itemsize


def flat(checkpoint: Checkpoint, name: str) -> InPlace | NDArray[Any]:
    """A group's values in C order, to be read more than once: where they lie if they can be, else in memory."""
    tensor = checkpoint.manifest.groups[name]
    source = checkpoint.in_place(name)
    if source is None or tensor.strides:
        return array(checkpoint, name).reshape(-1)
    in_file = InPlace(source, tensor.dtype)
    return in_file[:] if source.size <= MAX_CHUNK else in_file


def slices(checkpoint: Checkpoint, name: str, count: int) -> Iterator[NDArray[Any]]:
    """A group's values in C order as flat arrays of ``count`` elements each, the last one shorter.

    Slices of equally shaped groups fall on the same elements, however each is stored. Memory: a slice and
    a chunk, as long as no slice is kept, but the whole group where its storage order is not C order.
    """
    tensor = checkpoint.manifest.groups[name]
    if tensor.strides:
        whole = array(checkpoint, name).reshape(-1)
        yield from (whole[start : start + count] for start in range(0, whole.size, count))
        return
    pieces = recut(checkpoint.chunks(name), count * DTYPES[tensor.dtype].itemsize)
    yield from map(partial(flat_array, dtype=tensor.dtype), pieces)


def recut(pieces: Iterable[bytes | memoryview], length: int) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of ``length`` each, the last one shorter."""
    held: list[bytes] = []
    missing = length
    for piece in pieces:
        rest = memoryview(piece)
        while len(rest) >= missing:
            yield b"".join([*held, rest[:missing]]) if held else rest[:missing]
            rest = rest[missing:]
            held, missing = [], length
        if rest:
            held.append(bytes(rest))
            missing -= len(rest)
        # a name, or a view that is held, would keep this piece in memory while the next one is decoded
        del piece, rest
    if held:
        yield b"".join(held)


def _joined(pieces: Iterable[bytes], tensor: Tensor) -> memoryview:
    """All bytes of a group, read-only, without holding any of them twice."""
    whole = bytearray(element_count(tensor.shape) * DTYPES[tensor.dtype].itemsize)
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        whole[start:end] = piece
    return memoryview(whole).toreadonly()
