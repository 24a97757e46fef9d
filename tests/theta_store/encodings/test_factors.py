"""Low-rank and IA3 updates: the values that their definition gives, to the last bit."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from theta_store.encodings import ia3
from theta_store.encodings import low_rank
from theta_store.encodings.factors import Factor
from theta_store.encodings.factors import rounded
from theta_store.objects import CorruptObject

RANDOM = numpy.random.default_rng(0)
BASE = RANDOM.standard_normal((300, 70)).astype("f4")


def factor(matrix: NDArray[numpy.float32]) -> Factor:
    return Factor("F32", len(matrix), matrix.shape[1], matrix.tobytes())


LEFT, RIGHT = (RANDOM.standard_normal(shape).astype("f4") for shape in ((300, 3), (3, 70)))
UPDATE = low_rank.encoded("F32", 0.5, factor(LEFT), factor(RIGHT))


def test_a_low_rank_update_is_summed_in_float64_and_rounded_once() -> None:
    got = numpy.frombuffer(low_rank.decoded(UPDATE, [BASE.tobytes()]), "f4").reshape(300, 70)
    for row, column in ((0, 0), (150, 69), (299, 33)):
        products = [float(LEFT[row, k]) * float(RIGHT[k, column]) for k in range(3)]
        total = ((0.0 + products[0]) + products[1]) + products[2]
        assert got[row, column] == numpy.float32(total * 0.5 + float(BASE[row, column]))


def test_cutting_the_rows_into_chunks_changes_no_value() -> None:
    whole = low_rank.decoded(UPDATE, [BASE.tobytes()])
    pieces = [
        low_rank.decoded(
            low_rank.encoded("F32", 0.5, factor(LEFT).of_rows(start, end), factor(RIGHT)), [BASE[start:end].tobytes()]
        )
        for start, end in ((0, 1), (1, 257), (257, 300))
    ]
    assert b"".join(pieces) == whole


def test_an_object_holds_only_the_factors() -> None:
    assert len(UPDATE) < LEFT.nbytes + RIGHT.nbytes + 200


@pytest.mark.parametrize("shape", [(1, 70), (300, 1), (300, 70), (1, 1)])
def test_ia3_multiplies_along_rows_or_columns(shape: tuple[int, int]) -> None:
    vector = RANDOM.standard_normal(shape).astype("f4")
    got = ia3.decoded(ia3.encoded("F32", 70, factor(vector)), [BASE.tobytes()])
    assert got == (BASE.astype("f8") * vector).astype("f4").tobytes()


@given(st.integers(0, 0xFFFF), st.floats(0, 1))
def test_bfloat16_is_rounded_to_the_nearest(bits: int, part: float) -> None:
    with numpy.errstate(invalid="ignore"):  # signalling NaN
        below, above = numpy.array([bits, bits + 1], "u4").astype("u2").view(ml_dtypes.bfloat16).astype("f8")
    if not numpy.isfinite([below, above]).all() or abs(below) < 1e-37 or below * above < 0:
        return
    between = below + (above - below) * part
    got = numpy.frombuffer(rounded(numpy.array([between]), "BF16"), ml_dtypes.bfloat16).astype("f8")[0]
    distances = [abs(Fraction(float(edge)) - Fraction(float(between))) for edge in (below, above)]
    even = below if bits % 2 == 0 else above
    nearest = even if distances[0] == distances[1] else (below if distances[0] < distances[1] else above)
    assert got == nearest


def test_rounding_to_bfloat16_by_way_of_float32_would_be_wrong_here() -> None:
    value = 1 + 2.0**-8 + 2.0**-40  # just above the middle of two bfloat16, in the middle for float32
    assert rounded(numpy.array([value]), "BF16") == (0x3F81).to_bytes(2, "little")


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_every_nan_becomes_the_usual_one(dtype: str) -> None:
    odd = numpy.array([0xFFF8000000000001, 0x7FF0000000000001, 0x7FF8000000000000], "u8").view("f8")
    one, two, three = numpy.frombuffer(rounded(odd, dtype), f"V{8 if dtype == 'F64' else 4 if dtype == 'F32' else 2}")
    assert one == two == three


@pytest.mark.parametrize("damage", ["no base", "shape", "cut", "dtype", "kind", "size"])
def test_a_damaged_update_is_refused(damage: str) -> None:
    bases = {"no base": [], "shape": [BASE[:-1].tobytes()]}.get(damage, [BASE.tobytes()])
    data = {
        "cut": UPDATE[:-1],
        "dtype": b"I32\0" + UPDATE[4:],
        "kind": ia3.encoded("F32", 70, factor(LEFT)),
        "size": UPDATE[:25] + b"\xff" + UPDATE[26:],
    }.get(damage, UPDATE)
    with pytest.raises(CorruptObject):
        low_rank.decoded(data, bases)


def test_a_vector_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CorruptObject, match="another shape"):
        ia3.decoded(ia3.encoded("F32", 70, factor(LEFT)), [BASE.tobytes()])
    with pytest.raises(CorruptObject, match="another length"):
        ia3.decoded(ia3.encoded("F32", 71, factor(RIGHT)), [BASE.tobytes()])
