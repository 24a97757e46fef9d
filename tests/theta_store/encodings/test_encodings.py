from __future__ import annotations

import contextlib
from importlib.metadata import EntryPoint

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta_store import encodings
from theta_store.chunks import MAX_CHUNK
from theta_store.encodings import blend
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import encoding
from theta_store.encodings import ia3
from theta_store.encodings import low_rank
from theta_store.encodings import sparse
from theta_store.encodings.factors import Factor
from theta_store.objects import CorruptObject


@pytest.mark.parametrize("name", encodings.MODULES)
def test_every_encoding_is_listed_under_its_own_name(name: str) -> None:
    found = encoding(name)
    assert name == found.NAME


def test_an_encoding_that_nobody_knows_is_refused() -> None:
    with pytest.raises(CorruptObject, match="upgrade theta"):
        encoding("magic")


def test_an_installed_package_may_offer_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(group: str, name: str) -> list[EntryPoint]:
        return [EntryPoint(name, "theta_store.encodings.dense", group)] if group == "theta.encodings" else []

    monkeypatch.setattr("importlib.metadata.entry_points", installed)
    assert encoding("theirs") is dense


@pytest.mark.parametrize("name", encodings.MODULES)
@pytest.mark.parametrize("data", [b"", b"f", b"\0" * 17, b"\xff" * 100])
def test_no_encoding_makes_values_of_rubbish(name: str, data: bytes) -> None:
    with pytest.raises(CorruptObject):
        encoding(name).decoded(data, [bytes(64)])


def objects() -> dict[str, bytes]:
    """An object of every encoding, for a base of 60 float32 in rows of 6."""
    ours, base = (numpy.random.default_rng(seed).bytes(240) for seed in (1, 0))
    left, right = Factor("F32", 10, 2, bytes(80)), Factor("F32", 2, 6, bytes(48))
    return {
        "dense": dense.encoded(10 * ours, 4),
        "delta": delta.encoded(ours, base, "F32"),
        "sparse": sparse.encoded(ours, base, "F32"),
        "blend": blend.encoded(ours, [base], "F32", [0.5]),
        "low-rank": low_rank.encoded("F32", 1.0, left, right),
        "ia3": ia3.encoded("F32", 6, Factor("F32", 10, 1, bytes(40))),
    }


@pytest.mark.parametrize("name", encodings.MODULES)
@given(flips=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_damaged_object_is_refused_or_gives_other_bytes_but_nothing_worse(
    name: str, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(objects()[name])
    for position, flip in flips:
        data[position % len(data)] ^= flip
    with contextlib.suppress(CorruptObject):
        assert len(encoding(name).decoded(bytes(data), [bytes(240)])) <= MAX_CHUNK
