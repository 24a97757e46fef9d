"""Delta: how far each number is from the same number of the base.

Floats are read as integers in the order of their values, so that neighbouring floats are neighbouring
integers; the difference wraps around in the number's width, so that every bit pattern comes back, NaN payloads
and -0 among them; zigzag (0, -1, 1, -2 ... as 0, 1, 2, 3 ...) leaves the high bytes of small differences zero,
and dense's codec stores what is left. On fine-tunes this is smaller than XOR with the base.

An object is one byte, ``f`` or ``i``, for the order the numbers are taken in, and a dense object.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import resized
from theta_store.encodings import dense
from theta_store.encodings import one_of
from theta_store.objects import CorruptObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[Any]

NAME = "delta"
_FLOATS = b"f"
_INTEGERS = b"i"
_STEP = 256 << 10
"""bytes of each operand at a time: what the processor's cache holds"""


def encoded(raw: bytes, base: bytes, dtype: str) -> bytes:
    """One chunk of raw little-endian elements as an object's bytes; where ``base`` has ended, it counts as zeros."""
    import numpy

    width = dense.shuffle_width(dtype)
    order = _FLOATS if DTYPES[dtype].kind in ("float", "complex") else _INTEGERS
    theirs = numpy.frombuffer(resized(base, len(raw)), f"<i{width}")
    codes = numpy.frombuffer(raw, f"<i{width}").copy()
    for code, other, spare in _pieces(codes, theirs):
        _reorder(code, order, spare)
        _reorder(other, order, spare)
        code -= other
        numpy.right_shift(code, 8 * width - 1, out=spare)
        code <<= 1
        code ^= spare
    return order + dense.encoded(codes.data.cast("B"), width)


def decoded(data: bytes, bases: Sequence[bytes]) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    import numpy

    base = one_of(bases)
    order = data[:1]
    if order not in (_FLOATS, _INTEGERS):
        raise CorruptObject("an object is not a difference from a base")
    codes = dense.integers(memoryview(data)[1:])
    theirs = numpy.frombuffer(resized(base, codes.nbytes), f"<i{codes.itemsize}")
    values = codes.view(theirs.dtype)
    for value, other, spare in _pieces(values, theirs):
        _reorder(other, order, spare)
        numpy.bitwise_and(value, 1, out=spare)
        numpy.negative(spare, out=spare)
        value >>= 1
        value &= _largest(value)
        value ^= spare
        value += other
        _reorder(value, order, spare)
    return values.tobytes()


def _pieces(ours: Integers, theirs: Integers) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Pieces of ``ours`` to be changed in place, copies of the same pieces of ``theirs``, and as much room again."""
    import numpy

    step = _STEP // ours.itemsize
    other, spare = numpy.empty((2, min(step, ours.size)), ours.dtype)
    for start in range(0, ours.size, step):
        piece = ours[start : start + step]
        other[: piece.size] = theirs[start : start + step]
        yield piece, other[: piece.size], spare[: piece.size]


def _reorder(integers: Integers, order: bytes, spare: Integers) -> None:
    """Sign and magnitude to two's complement, or back, in place: the order of the floats that the integers spell."""
    import numpy

    if order == _FLOATS:
        numpy.right_shift(integers, 8 * integers.itemsize - 1, out=spare)
        spare &= _largest(integers)
        integers ^= spare


def _largest(integers: Integers) -> int:
    return (1 << (8 * integers.itemsize - 1)) - 1
