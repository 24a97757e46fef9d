"""The values of a group, whole and in slices."""

from __future__ import annotations

import numpy
from hypothesis import given
from hypothesis import strategies as st

from theta_checkpoint.layout import BytesSource
from theta_store.values import InPlace
from theta_store.values import recut


@given(st.lists(st.binary(max_size=12), max_size=8), st.integers(1, 15))
def test_recut_pieces_are_the_same_bytes(pieces: list[bytes], length: int) -> None:
    cut = [bytes(piece) for piece in recut(pieces, length)]
    assert b"".join(cut) == b"".join(pieces)
    assert all(len(piece) == length for piece in cut[:-1])
    assert all(0 < len(piece) <= length for piece in cut[-1:])


@given(st.integers(0, 50), st.slices(50), st.sampled_from(["F16", "F32", "F64"]))
def test_values_in_place_are_sliced_as_an_array_is(count: int, part: slice, dtype: str) -> None:
    array = numpy.arange(count, dtype=f"f{int(dtype[1:]) // 8}")
    if part.step is None or part.step > 0:
        assert numpy.array_equal(InPlace(BytesSource(array.tobytes()), dtype)[part], array[part])
