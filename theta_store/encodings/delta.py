"""Delta: how far each number is from the same number of the base.

Floats are read as integers in the order of their values, so that neighbouring floats are neighbouring
integers; the difference wraps around in the number's width, so that every bit pattern comes back, NaN payloads
and -0 among them; zigzag (0, -1, 1, -2 ... as 0, 1, 2, 3 ...) leaves the high bytes of small differences zero,
and dense's codec stores what is left. On fine-tunes this is smaller than XOR with the base.

An object is one byte, ``f`` or ``i``, for the order the numbers are taken in, and a dense object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import resized
from theta_store.encodings import dense
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
    ours = numpy.frombuffer(raw, f"<i{width}")
    theirs = numpy.frombuffer(resized(base, len(raw)), f"<i{width}")
    codes = numpy.empty_like(ours)
    for part in _parts(ours):
        difference = _ordered(ours[part], order)
        difference -= _ordered(theirs[part], order)
        numpy.left_shift(difference, 1, out=codes[part])
        codes[part] ^= difference >> (8 * width - 1)
    return order + dense.encoded(codes.data.cast("B"), width)


def decoded(data: bytes, base: bytes | None) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    import numpy

    order, packed = data[:1], data[1:]
    if order not in (_FLOATS, _INTEGERS) or base is None:
        raise CorruptObject("an object is no difference to a base")
    raw = dense.decoded(packed)
    width = packed[3]
    if width not in (1, 2, 4, 8) or len(raw) % width:
        raise CorruptObject("an object's differences are of no width that numbers have")
    codes = numpy.frombuffer(raw, f"<u{width}")
    theirs = numpy.frombuffer(resized(base, len(raw)), f"<i{width}")
    values = numpy.empty_like(theirs)
    for part in _parts(values):
        difference = (codes[part] >> 1).view(values.dtype)
        difference ^= -(codes[part] & 1).view(values.dtype)
        difference += _ordered(theirs[part], order)
        values[part] = _ordered(difference, order)
    return values.tobytes()


def _ordered(integers: Integers, order: bytes) -> Integers:
    """Sign and magnitude to two's complement, or back: integers in the order of the floats that they spell."""
    if order == _INTEGERS:
        return integers.copy()
    signs = integers >> (8 * integers.itemsize - 1)
    signs &= (1 << (8 * integers.itemsize - 1)) - 1
    signs ^= integers
    return signs


def _parts(integers: Integers) -> list[slice]:
    step = _STEP // integers.itemsize
    return [slice(start, start + step) for start in range(0, integers.size, step)]
