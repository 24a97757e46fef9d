"""IA3: the base times a vector along one axis (Liu et al. 2022, arXiv 2205.05638).

An object holds the part of the vector that belongs to its chunk, as a matrix with one row or one for each row of the
chunk, and one column or one for each column. The product is taken in float64 and rounded once.
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

NAME = "ia3"


def encoded(dtype: str, columns: int, vector: Factor) -> bytes:
    """An object for one chunk whose rows have ``columns`` elements."""
    return packed(dtype, float(columns), [vector])


def decoded(data: bytes, bases: Sequence[bytes]) -> bytes:
    """The raw bytes of one object; raises :class:`CorruptObject` if they are damaged."""
    import numpy

    dtype, columns, (vector,) = unpacked(data, 1)
    base = one_of(bases)
    if not 1 <= columns <= len(base) or columns % 1:
        raise CorruptObject("an object is not a scaling of a base")
    values = widened(base, dtype)
    if values.size % int(columns):
        raise CorruptObject("an object scales rows of another length")
    values = values.reshape(-1, int(columns))
    if vector.rows not in (1, len(values)) or vector.columns not in (1, values.shape[1]):
        raise CorruptObject("an object is a scaling of another shape")
    with numpy.errstate(all="ignore"):
        values *= vector.values
    return rounded(values, dtype)
