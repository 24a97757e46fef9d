"""Factors: the small matrices of a parameter-efficient update, and arithmetic that is the same on every machine.

Only elementwise float64 operations of numpy are used, which IEEE 754 defines to the last bit, and no matrix
product, whose order of summation depends on the processor.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.arrays import flat_array
from theta_store.encodings import dense
from theta_store.objects import CorruptObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float64 = NDArray[Any]

FLOATS = ("F64", "F32", "F16", "BF16")
"""dtypes of what can be updated, and of factors"""
_HEADER = struct.Struct("<8sdB")
"""dtype of the updated group, a number (scale or columns), number of factors"""
_FACTOR = struct.Struct("<8sIII")
"""dtype, rows, columns, bytes in the object"""


@dataclass(frozen=True, slots=True)
class Factor:
    """One matrix as raw bytes."""

    dtype: str
    """one of :data:`FLOATS`"""
    rows: int
    columns: int
    raw: bytes
    """little-endian elements in C order"""

    @property
    def values(self) -> Float64:
        """The matrix as float64, which is exact."""
        return widened(self.raw, self.dtype).reshape(self.rows, self.columns)

    def of_rows(self, start: int, end: int) -> Factor:
        """Some of its rows."""
        row = self.columns * DTYPES[self.dtype].itemsize
        return Factor(self.dtype, end - start, self.columns, self.raw[start * row : end * row])


def packed(dtype: str, number: float, factors: Sequence[Factor]) -> bytes:
    """What updates one chunk of a group of this dtype, as an object's bytes."""
    bodies = [dense.encoded(factor.raw, DTYPES[factor.dtype].itemsize) for factor in factors]
    heads = (
        _FACTOR.pack(factor.dtype.encode(), factor.rows, factor.columns, len(body))
        for factor, body in zip(factors, bodies, strict=True)
    )
    return b"".join((_HEADER.pack(dtype.encode(), number, len(factors)), *heads, *bodies))


def unpacked(data: bytes, count: int) -> tuple[str, float, list[Factor]]:
    """Dtype, number and factors of an object; raises :class:`CorruptObject` unless there are ``count`` of them."""
    start = _HEADER.size + count * _FACTOR.size
    if len(data) < start or data[_HEADER.size - 1] != count:
        raise CorruptObject("an object is not an update of this kind")
    name, number, _ = _HEADER.unpack_from(data)
    factors = []
    for index in range(count):
        of, rows, columns, length = _FACTOR.unpack_from(data, _HEADER.size + index * _FACTOR.size)
        factor = Factor(_float_name(of), rows, columns, dense.decoded(data[start : start + length]))
        if len(factor.raw) != rows * columns * DTYPES[factor.dtype].itemsize:
            raise CorruptObject("an object's factors are not as large as it says")
        factors.append(factor)
        start += length
    return _float_name(name), number, factors


def widened(raw: bytes | memoryview, dtype: str) -> Float64:
    """Raw elements of any float dtype as float64, which is exact."""
    import numpy

    with numpy.errstate(invalid="ignore"):  # a signalling NaN, which becomes a quiet one
        return flat_array(raw, dtype).astype(numpy.float64)


def rounded(values: Float64, dtype: str) -> bytes:
    """Raw elements of one of :data:`FLOATS` nearest to these float64, ties to even; every NaN becomes the usual one.

    bfloat16 below its normal range is rounded by way of 8 significant bits.
    """
    import numpy

    # which NaN an operation gives depends on the processor
    values[numpy.isnan(values)] = numpy.nan
    with numpy.errstate(over="ignore"):
        if dtype == "BF16":
            result = by_way_of_float32(_with_8_bits(values))
        else:
            result = values.astype({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])
    return bytes(result.tobytes())


def by_way_of_float32(values: Float64) -> NDArray[Any]:
    """The bits of the bfloat16 that these float64 are when they are rounded to float32 first."""
    bits = values.astype("<f4").view("<u4")
    nearest: NDArray[Any] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return nearest


def _with_8_bits(values: Float64) -> Float64:
    """The values rounded to bfloat16's 8 significant bits: on the way over float32 they would be rounded twice."""
    import numpy

    extra, one = numpy.uint64(45), numpy.uint64(1)
    bits = values.view("<u8")
    half = (one << (extra - one)) - one
    nearest: Float64 = (bits + half + ((bits >> extra) & one)) >> extra << extra
    return nearest.view("<f8")


def keeps_subnormals() -> bool:
    """Whether this thread computes as IEEE 754 says: a library compiled for speed may have turned that off for it."""
    import numpy

    smallest = numpy.ones(1, "<u4").view("<f4")
    return bool((smallest.astype("<f8") * 0.75).astype("<f4").view("<u4")[0] == 1)


def _float_name(name: bytes) -> str:
    text = name.rstrip(b"\0").decode("ascii", "replace")
    if text not in FLOATS:
        raise CorruptObject(f"an object updates {text!r}, which is not a float")
    return text
