"""Sketches: 64 numbers per group that tell how far apart two versions are without their values.

A sketch is a fixed random-sign projection of a group's values (Alon, Matias, Szegedy 1999; Charikar, Chen,
Farach-Colton 2002). It is linear, so the difference of two sketches is the sketch of the difference; its
length estimates the L2 norm with a relative standard error of ``sqrt(2 / 64) / 2``, about 9 %.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from typing import Any

from blake3 import blake3

from theta_checkpoint.dtypes import DTYPES
from theta_store.arrays import flat_array
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS = 64
ROWS = 256
BLOCK = ROWS * BUCKETS
"""elements projected at once: row by row, an element to each bucket, so that small groups spread over all of them"""
_PERIOD = 1 << 14
"""blocks after which the signs of whole buckets repeat"""
_ROW = struct.Struct(f"<32sQQd{BUCKETS}f")


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is known of a group's values without the values."""

    nans: int
    infinities: int
    norm: float
    """exact L2 norm of the finite values"""
    buckets: tuple[float, ...]

    def distance(self, other: Sketch) -> float:
        """Estimated L2 distance between the two versions."""
        return math.dist(self.buckets, other.buckets)

    def cosine(self, other: Sketch) -> float | None:
        """Estimated cosine between the two versions; None where one of them is zero or too large for float32."""
        norms = self.norm * other.norm
        if not norms:
            return None
        square = self.distance(other) ** 2
        # of near versions the distance says more, of far ones the product: the error of each is smaller there
        if square < 1.4 * norms:
            cosine = (self.norm**2 + other.norm**2 - square) / (2 * norms)
        else:
            cosine = sum(a * b for a, b in zip(self.buckets, other.buckets, strict=True)) / norms
        return _within_one(cosine)


def changes_cosine(base: Sketch, ours: Sketch, theirs: Sketch) -> float | None:
    """Estimated cosine between the two changes since base; None where one side did not change, or past float32."""
    left = [a - b for a, b in zip(ours.buckets, base.buckets, strict=True)]
    right = [a - b for a, b in zip(theirs.buckets, base.buckets, strict=True)]
    lengths = math.hypot(*left) * math.hypot(*right)
    if not lengths:
        return None
    return _within_one(sum(a * b for a, b in zip(left, right, strict=True)) / lengths)


def _within_one(cosine: float) -> float | None:
    return max(-1.0, min(1.0, cosine)) if math.isfinite(cosine) else None


class Sketcher:
    """Collects the sketch of one group from consecutive pieces of its bytes, however they are cut."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._rest = b""
        self._block = 0
        self._buckets: list[Any] = []
        self._squares = 0.0
        self._nans = 0
        self._infinities = 0

    def update(self, piece: bytes) -> None:
        """Take the next piece of the group's bytes."""
        block_bytes = BLOCK * DTYPES[self._dtype].itemsize
        data = self._rest + piece if self._rest else piece
        whole = len(data) - len(data) % block_bytes
        self._rest = data[whole:]
        if whole:
            with _beyond_float32():
                self._add(flat_array(memoryview(data)[:whole], self._dtype))

    def sketch(self) -> Sketch:
        """The sketch of all pieces."""
        import numpy

        with _beyond_float32():
            if self._rest:
                last = _real(flat_array(self._rest, self._dtype))
                rows = numpy.zeros(-(-len(last) // BUCKETS) * BUCKETS, last.dtype)
                rows[: len(last)] = last
                self._add(rows)
                self._rest = b""
            buckets = numpy.sum(self._buckets, axis=0) if self._buckets else numpy.zeros(BUCKETS)
            narrow = tuple(buckets.astype(numpy.float32).tolist())
        return Sketch(self._nans, self._infinities, math.sqrt(self._squares), narrow)

    def _add(self, array: NDArray[Any]) -> None:
        import numpy

        values = _real(array).astype(numpy.float32, copy=False)
        square = float(numpy.dot(values, values))
        if not math.isfinite(square):
            self._nans += int(numpy.isnan(array).sum())
            self._infinities += int(numpy.isinf(array).sum())
            values = numpy.where(numpy.isfinite(values), values, numpy.float32(0))
            square = float(numpy.sum(numpy.square(values, dtype=numpy.float64)))
        blocks = values.reshape(-1, min(ROWS, values.size // BUCKETS), BUCKETS)
        signs = _bucket_signs()[numpy.arange(self._block, self._block + len(blocks)) % _PERIOD]
        projected = numpy.einsum("krb,rb->kb", blocks, _element_signs()[: blocks.shape[1]])
        self._buckets.append(numpy.sum(projected * signs, axis=0, dtype=numpy.float64))
        self._block += len(blocks)
        self._squares += square


def encoded(sketches: Mapping[str, Sketch]) -> bytes:
    """Sketches by digest as the bytes of one object."""
    rows = (row(digest, sketch) for digest, sketch in sorted(sketches.items()))
    return b"".join(rows)


def row(digest: str, sketch: Sketch) -> bytes:
    """One sketch as bytes."""
    return _ROW.pack(bytes.fromhex(digest), sketch.nans, sketch.infinities, sketch.norm, *sketch.buckets)


def decoded(data: bytes) -> dict[str, Sketch]:
    """Sketches by digest, from :func:`encoded` or several :func:`row`; a damaged tail is left out."""
    whole = len(data) - len(data) % _ROW.size
    rows: Iterable[Any] = _ROW.iter_unpack(data[:whole])
    return {
        digest.hex(): Sketch(nans, infinities, norm, tuple(buckets))
        for digest, nans, infinities, norm, *buckets in rows
    }


def stored(oid: str | None, objects: ObjectStore) -> dict[str, Sketch]:
    """Sketches by digest, from an object; none where it is damaged or not here."""
    try:
        return decoded(objects.sound(oid)) if oid else {}
    except (MissingObject, CorruptObject):
        return {}


def _real(array: NDArray[Any]) -> NDArray[Any]:
    """The array, each complex number as two real ones."""
    return array.view(array.real.dtype) if array.dtype.kind == "c" else array


def _beyond_float32() -> AbstractContextManager[object]:
    """In which values, squares and sums that float32 cannot hold become infinities and NaNs without a warning."""
    import numpy

    return numpy.errstate(over="ignore", invalid="ignore")


@cache
def _element_signs() -> NDArray[Any]:
    return _signs(b"elements", BLOCK).reshape(ROWS, BUCKETS)


@cache
def _bucket_signs() -> NDArray[Any]:
    return _signs(b"buckets", _PERIOD * BUCKETS).reshape(_PERIOD, BUCKETS)


def _signs(purpose: bytes, count: int) -> NDArray[Any]:
    """``count`` fixed random signs as float32, the same on every machine and for ever."""
    import numpy

    stream = blake3(b"theta sketch 1: " + purpose).digest(length=count // 8)
    bits = numpy.unpackbits(numpy.frombuffer(stream, numpy.uint8))
    return bits.astype(numpy.float32) * 2 - 1
