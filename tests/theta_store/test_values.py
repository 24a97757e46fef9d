"""The values of a group, whole and in slices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from theta_store.values import recut


@given(st.lists(st.binary(max_size=12), max_size=8), st.integers(1, 15))
def test_recut_pieces_are_the_same_bytes(pieces: list[bytes], length: int) -> None:
    cut = [bytes(piece) for piece in recut(pieces, length)]
    assert b"".join(cut) == b"".join(pieces)
    assert all(len(piece) == length for piece in cut[:-1])
    assert all(0 < len(piece) <= length for piece in cut[-1:])
