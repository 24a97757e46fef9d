"""Delta and sparse: every bit pattern comes back, whatever the base, and small changes make small objects."""

from __future__ import annotations

from types import ModuleType

import numpy
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from theta_checkpoint.dtypes import DTYPES
from theta_store.encodings import delta
from theta_store.encodings import sparse
from theta_store.objects import CorruptObject

WEIGHTS = numpy.random.default_rng(0).standard_normal(100_000).astype("f4")
BOTH = pytest.mark.parametrize("encoding", [delta, sparse], ids=lambda module: module.NAME)


@BOTH
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30)
@given(elements=st.integers(0, 40), base_elements=st.integers(0, 40), data=st.data())
def test_any_bytes_come_back_from_any_base(
    encoding: ModuleType, dtype: str, elements: int, base_elements: int, data: st.DataObject
) -> None:
    itemsize = DTYPES[dtype].itemsize
    raw, base = (data.draw(st.binary(min_size=n * itemsize, max_size=n * itemsize)) for n in (elements, base_elements))
    assert encoding.decoded(encoding.encoded(raw, base, dtype), [base]) == raw


@BOTH
@pytest.mark.parametrize("dtype", ["F16", "BF16", "I16"])
def test_every_pattern_of_16_bits_comes_back(encoding: ModuleType, dtype: str) -> None:
    patterns = numpy.arange(1 << 16, dtype="u2")
    base = numpy.random.default_rng(0).permutation(patterns).tobytes()
    assert encoding.decoded(encoding.encoded(patterns.tobytes(), base, dtype), [base]) == patterns.tobytes()


@BOTH
@pytest.mark.parametrize("elements", [1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 200_000])
def test_chunks_that_end_beside_a_block_come_back(encoding: ModuleType, elements: int) -> None:
    ours, base = (numpy.random.default_rng(seed).bytes(4 * elements) for seed in (0, 1))
    assert encoding.decoded(encoding.encoded(ours, base, "F32"), [base]) == ours


@BOTH
def test_equal_chunks_cost_next_to_nothing(encoding: ModuleType) -> None:
    raw = WEIGHTS.tobytes()
    assert len(encoding.encoded(raw, raw, "F32")) < 150


@BOTH
def test_rows_added_to_a_tensor_cost_no_more_than_these_rows(encoding: ModuleType) -> None:
    raw = WEIGHTS.tobytes()
    assert len(encoding.encoded(raw, raw[:-4000], "F32")) < 4600


def test_a_delta_across_zero_is_small_for_floats() -> None:
    tiny = numpy.float32(1e-45)
    raw = numpy.full(100_000, tiny).tobytes()
    base = numpy.full(100_000, -tiny).tobytes()
    assert len(delta.encoded(raw, base, "F32")) < 150


def test_a_small_change_of_every_number_is_best_stored_as_a_delta() -> None:
    moved = WEIGHTS * numpy.float32(1.0001)
    assert len(delta.encoded(moved.tobytes(), WEIGHTS.tobytes(), "F32")) < 0.6 * WEIGHTS.nbytes


def test_few_changed_numbers_are_stored_alone() -> None:
    moved = WEIGHTS.copy()
    moved[::1000] = 7
    assert len(sparse.encoded(moved.tobytes(), WEIGHTS.tobytes(), "F32")) < 100 * 6


@BOTH
@pytest.mark.parametrize("damage", ["empty", "no base", "cut", "first byte", "width"])
def test_a_damaged_object_is_refused(encoding: ModuleType, damage: str) -> None:
    base = WEIGHTS.tobytes()
    data = encoding.encoded((WEIGHTS + 1).tobytes(), base, "F32")
    damaged = {
        "empty": b"",
        "no base": data,
        "cut": data[:-1],
        "first byte": b"\xff" + data[1:],
        "width": data[:4] + b"\x03" + data[5:] if encoding is delta else data[:8] + b"\x03" + data[9:],
    }[damage]
    with pytest.raises(CorruptObject):
        encoding.decoded(damaged, [] if damage == "no base" else [base])


def test_places_beyond_the_end_are_refused() -> None:
    base = bytes(4000)
    data = sparse.encoded(b"\1" * 4000, base, "F32")
    with pytest.raises(CorruptObject, match="beyond its end"):
        sparse.decoded((400).to_bytes(4, "little") + data[4:], [base])
