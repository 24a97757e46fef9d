"""Low-rank: the base plus ``scale * R C``, as LoRA makes it (Hu et al. 2021, arXiv 2106.09685).

An object holds the rows of R that belong to its chunk, and C. The outer products of R's columns and C's rows are
summed one after the other in float64, scaled, added to the base, and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

from theta_store.encodings import one_of
from theta_store.encodings.factors import Factor
from theta_store.encodings.factors import packed
from theta_store.encodings.factors import rounded
from theta_store.encodings.factors import unpacked
from theta_store.encodings.factors import widened
from theta_store.objects import CorruptObject

NAME = "low-rank"
_BLOCK = 1 << 16
"""elements at a time: what the processor's cache holds"""


def encoded(dtype: str, scale: float, left: Factor, right: Factor) -> bytes:
    """An object for one chunk: ``left`` of shape (rows of the chunk, rank), ``right`` of shape (rank, columns)."""
    return packed(dtype, scale, [left, right])


def decoded(data: bytes, bases: Sequence[bytes]) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    import numpy

    dtype, scale, (left, right) = unpacked(data, 2)
    base = one_of(bases)
    if left.columns != right.rows:
        raise CorruptObject("an object is not a low-rank update of a base")
    values = widened(base, dtype)
    if values.size != left.rows * right.columns:
        raise CorruptObject("an object is a low-rank update of another shape")
    step = max(1, _BLOCK // max(right.columns, 1))
    pieces = []
    for start in range(0, left.rows, step):
        rows = left.of_rows(start, min(start + step, left.rows)).values
        change = numpy.zeros((len(rows), right.columns))
        with numpy.errstate(all="ignore"):
            for column, row in zip(rows.T, right.values, strict=True):
                change += column[:, None] * row
            change *= scale
            change += values.reshape(left.rows, -1)[start : start + step]
        pieces.append(rounded(change, dtype))
    return b"".join(pieces)
