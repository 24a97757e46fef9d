"""Raw little-endian bytes as numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numpy_dtype(dtype: str) -> Any:
    """The numpy type for a dtype of :data:`DTYPES`; ml_dtypes is imported only for bfloat16 and float8."""
    import numpy

    name = DTYPES[dtype].numpy
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes

        return numpy.dtype(getattr(ml_dtypes, name))
    return numpy.dtype(name)


def epsilon(dtype: str) -> float:
    """How far the next larger number of a float dtype is from 1."""
    import numpy

    one = numpy.ones(1, numpy_dtype(dtype))
    following = (one.view(f"u{one.itemsize}") + 1).view(one.dtype)
    return float(following.astype(numpy.float64)[0]) - 1


def flat_array(raw: bytes | bytearray | memoryview, dtype: str) -> NDArray[Any]:
    """The elements of raw bytes as a 1-d array that shares their memory."""
    import numpy

    return numpy.frombuffer(raw, numpy_dtype(dtype))


def shaped_array(
    raw: bytes | bytearray | memoryview, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None
) -> NDArray[Any]:
    """The tensor stored in raw bytes: shape ``shape``, permuted from storage order when ``strides`` says so.

    ``strides`` are in elements. The array shares the memory of ``raw`` and is read-only if that is. Raises ValueError
    where shape and strides reach outside of ``raw``.
    """
    from numpy.lib.stride_tricks import as_strided

    flat = flat_array(raw, dtype)
    if strides is None:
        return flat.reshape(shape)
    last = sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= flat.size:
        raise ValueError(f"shape {shape} with strides {strides} does not lie in {flat.size} elements")
    itemsize = flat.dtype.itemsize
    return as_strided(flat, shape, tuple(step * itemsize for step in strides), writeable=flat.flags.writeable)
