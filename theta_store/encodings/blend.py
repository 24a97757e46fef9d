"""Blend: a weighted sum of several bases, as averaging and task arithmetic make it, and what it differs from that by.

A merge follows from versions that are stored already, so that it need not be stored a second time. The products are
taken and summed in float64, one base after the other and elementwise, which IEEE 754 defines to the last bit, and
rounded once. What the numbers differ from that by is sparse or delta: every bit pattern comes back, whoever computed
it and however it was rounded.

An object is a header, the weights as float64, and a sparse or delta object on top of the sum.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import resized
from theta_store.encodings import delta
from theta_store.encodings import sparse
from theta_store.encodings.factors import by_way_of_float32
from theta_store.encodings.factors import rounded
from theta_store.encodings.factors import widened
from theta_store.objects import CorruptObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "blend"
_HEADER = struct.Struct("<16scBI")
"""dtype, what is on top, number of weights, raw bytes"""
_ON_TOP = {b"s": sparse, b"d": delta}
_FEW = 1 / 16
"""the share of numbers that may differ from the sum for sparse: beyond it, a delta takes less time and as many bytes"""
_BLOCK = 64 << 10
"""elements at a time: what the processor's cache holds"""
_SIMPLE = (1, 16, 100, 1000)
"""largest denominators of the fractions that fitted weights are taken for"""
_HUGE = 1e100
"""numbers from here on are left out of a fit: their squares are infinite"""


def encoded(raw: bytes, bases: Sequence[bytes], dtype: str, weights: Sequence[float]) -> bytes:
    """One chunk of raw little-endian floats as an object's bytes; where a base has ended, it counts as zeros."""
    sums = _sums(bases, dtype, weights, len(raw))
    kind = b"s" if sparse.share(raw, sums, dtype) <= _FEW else b"d"
    header = _HEADER.pack(dtype.encode(), kind, len(weights), len(raw))
    rest: bytes = _ON_TOP[kind].encoded(raw, sums, dtype)
    return header + struct.pack(f"<{len(weights)}d", *weights) + rest


def decoded(data: bytes, bases: Sequence[bytes]) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    if len(data) < _HEADER.size:
        raise CorruptObject("an object is not a blend")
    name, kind, count, length = _HEADER.unpack_from(data)
    dtype = name.rstrip(b"\0").decode("ascii", "replace")
    end = _HEADER.size + 8 * count
    if not blends(dtype) or kind not in _ON_TOP or count != len(bases) or len(data) < end:
        raise CorruptObject(f"an object is not a blend of {len(bases)} bases")
    if length > MAX_CHUNK or length % DTYPES[dtype].itemsize:
        raise CorruptObject("an object's header does not fit together")
    sums = _sums(bases, dtype, struct.unpack_from(f"<{count}d", data, _HEADER.size), length)
    found: bytes = _ON_TOP[kind].decoded(data[end:], [sums])
    if len(found) != length:
        raise CorruptObject("an object does not have the length that its header says")
    return found


def blends(dtype: str) -> bool:
    """Whether numbers of this dtype can be summed: strategies merge no others."""
    return dtype in DTYPES and DTYPES[dtype].kind == "float"


def fitted(raw: bytes, bases: Sequence[bytes], dtype: str) -> tuple[float, ...]:
    """The weights with which the bases, as long as ``raw``, come nearest to it; 0 for one that it does not need.

    Least squares, and of the simple fractions near to that (0.5, 1/3, 0.7), which people and strategies give, those
    from which the fewest numbers differ. They need not be the same on every machine: they are stored.
    """
    import numpy

    numbers = numpy.stack([widened(one, dtype) for one in (raw, *bases)])
    target, first, *others = numbers[:, (abs(numbers) < _HUGE).all(axis=0)]
    # versions of one model differ little: their changes say more than they do
    columns = numpy.stack([first, *(other - first for other in others)])
    scales = numpy.maximum(numpy.linalg.norm(columns, axis=1), 1 / _HUGE)
    least = numpy.linalg.lstsq((columns / scales[:, None]).T, target, rcond=None)[0] / scales
    least[0] -= least[1:].sum()
    fractions = ([float(Fraction(one).limit_denominator(most)) for one in least.tolist()] for most in _SIMPLE)
    candidates = dict.fromkeys(tuple(weights) for weights in (*fractions, least.tolist()))
    return min(candidates, key=lambda weights: sparse.share(raw, _sums(bases, dtype, weights, len(raw)), dtype))


def _sums(bases: Sequence[bytes], dtype: str, weights: Sequence[float], length: int) -> bytes:
    """The ``length`` bytes of the rounded weighted sum of the bases, of which some have weight 0."""
    import numpy

    step = _BLOCK * DTYPES[dtype].itemsize
    terms = [(resized(base, length), weight) for base, weight in zip(bases, weights, strict=True) if weight]
    pieces = []
    with numpy.errstate(all="ignore"):
        for start in range(0, length, step):
            total: NDArray[Any] | None = None
            for base, weight in terms:
                product = widened(memoryview(base)[start : start + step], dtype)
                product *= weight
                total = product if total is None else numpy.add(total, product, out=total)
            pieces.append(bytes(min(step, length - start)) if total is None else _nearest(total, dtype))
    return b"".join(pieces)


def _nearest(values: NDArray[Any], dtype: str) -> bytes:
    """Raw elements nearest to these float64, ties to even; bfloat16 by way of float32, and float8 by way of that.

    So do strategies, and it takes a tenth of the time of exact rounding. Every NaN becomes the usual one.
    """
    import numpy

    if dtype in ("F64", "F32", "F16"):
        return rounded(values, dtype)
    values[numpy.isnan(values)] = numpy.nan
    bits = by_way_of_float32(values)
    return (bits if dtype == "BF16" else _float8(dtype)[bits]).tobytes()


@cache
def _float8(dtype: str) -> NDArray[Any]:
    """The code nearest to each bfloat16, by its bits; of what is too large or NaN the code of the largest number.

    ml_dtypes may round in another way some day.
    """
    import numpy

    codes = numpy.arange(256, dtype="u1")
    codes = codes[numpy.isfinite(widened(codes.tobytes(), dtype))]
    numbers, first = numpy.unique(widened(codes.tobytes(), dtype), return_index=True)
    codes = codes[first]
    values = numpy.clip(widened(numpy.arange(1 << 16, dtype="<u2").tobytes(), "BF16"), numbers[0], numbers[-1])
    above = numpy.searchsorted(numbers, values).clip(1, len(numbers) - 1)
    low, high = values - numbers[above - 1], numbers[above] - values
    up = (high < low) | ((high == low) & (codes[above] % 2 == 0))
    nearest: NDArray[Any] = numpy.where(up, codes[above], codes[above - 1])
    return nearest
