"""Sparse: where numbers differ from the base, and by how much.

An object is a header, the distance of each differing number to the one before it (1, 2 or 4 bytes each, as the
largest needs), and those numbers alone as a delta object.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import resized
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import one_of
from theta_store.objects import CorruptObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "sparse"
_HEADER = struct.Struct("<IIB")
"""raw bytes, bytes of the encoded distances, bytes per number"""


def share(raw: bytes, base: bytes, dtype: str) -> float:
    """Which share of the numbers differs, for a base of the same length."""
    import numpy

    ours, theirs = (numpy.frombuffer(one, f"<i{dense.shuffle_width(dtype)}") for one in (raw, base))
    return float(numpy.count_nonzero(ours != theirs)) / max(ours.size, 1)


def encoded(raw: bytes, base: bytes, dtype: str) -> bytes:
    """One chunk of raw little-endian elements as an object's bytes; where ``base`` has ended, it counts as zeros."""
    import numpy

    width = dense.shuffle_width(dtype)
    ours = numpy.frombuffer(raw, f"<i{width}")
    theirs = numpy.frombuffer(resized(base, len(raw)), f"<i{width}")
    places = numpy.flatnonzero(ours != theirs)
    gaps = numpy.diff(places, prepend=0)
    gaps = gaps.astype(numpy.min_scalar_type(int(gaps.max(initial=0))))
    packed_gaps = dense.encoded(gaps.tobytes(), gaps.itemsize)
    values = delta.encoded(ours[places].tobytes(), theirs[places].tobytes(), dtype)
    return _HEADER.pack(len(raw), len(packed_gaps), width) + packed_gaps + values


def decoded(data: bytes, bases: Sequence[bytes]) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    import numpy

    base = one_of(bases)
    if len(data) < _HEADER.size:
        raise CorruptObject("an object names no differences to a base")
    length, gaps_length, width = _HEADER.unpack_from(data)
    if width not in (1, 2, 4, 8) or length % width or length > MAX_CHUNK:
        raise CorruptObject("an object's header does not fit together")
    values = numpy.frombuffer(resized(base, length), f"<i{width}").copy()
    end = _HEADER.size + gaps_length
    places = _places(data[_HEADER.size : end], values.size)
    news = delta.decoded(data[end:], [values[places].tobytes()])
    if len(news) != places.size * width:
        raise CorruptObject("an object has not as many differences as places for them")
    values[places] = numpy.frombuffer(news, values.dtype)
    return values.tobytes()


def _places(packed_gaps: bytes, size: int) -> NDArray[Any]:
    """Increasing positions below ``size``."""
    import numpy

    gaps = dense.integers(packed_gaps)
    places = numpy.cumsum(gaps, dtype=numpy.int64)
    if gaps.size > size or (gaps.size and places[-1] >= size):
        raise CorruptObject("an object has differences beyond its end")
    return places
