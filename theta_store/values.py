"""The values of a group as numpy arrays: whole, or slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.arrays import flat_array
from theta_store.arrays import shaped_array
from theta_store.checkpoint import Checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray


def array(checkpoint: Checkpoint, name: str) -> NDArray[Any]:
    """A group's values in its shape; read-only; bfloat16 and float8 as ml_dtypes types."""
    tensor = checkpoint.manifest.groups[name]
    return shaped_array(b"".join(checkpoint.chunks(name)), tensor.dtype, tensor.shape, tensor.strides)


def slices(checkpoint: Checkpoint, name: str, count: int) -> Iterator[NDArray[Any]]:
    """A group's values in C order as flat arrays of ``count`` elements each, the last one shorter.

    Slices of equally shaped groups fall on the same elements, however each is stored. Memory: a slice and
    a chunk, but the whole group where its storage order is not C order.
    """
    tensor = checkpoint.manifest.groups[name]
    if tensor.strides:
        whole = array(checkpoint, name).reshape(-1)
        yield from (whole[start : start + count] for start in range(0, whole.size, count))
        return
    wanted = count * DTYPES[tensor.dtype].itemsize
    rest = b""
    for chunk in checkpoint.chunks(name):
        data = rest + chunk if rest else chunk
        start = 0
        while len(data) - start >= wanted:
            yield flat_array(memoryview(data)[start : start + wanted], tensor.dtype)
            start += wanted
        rest = data[start:]
    if rest:
        yield flat_array(rest, tensor.dtype)
