"""Blend: every bit pattern comes back, whatever the bases and weights, and what is a sum of them costs nothing."""

from __future__ import annotations

import struct
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_store.arrays import numpy_dtype
from theta_store.encodings import blend
from theta_store.encodings import choice
from theta_store.encodings import factors
from theta_store.objects import CorruptObject

FLOATS = [name for name, dtype in DTYPES.items() if dtype.kind == "float"]
RANDOM = numpy.random.default_rng(0)
BASE = RANDOM.standard_normal(20_000) * 0.05
OURS, THEIRS = (BASE + RANDOM.standard_normal(20_000) * 1e-3 for _ in range(2))


def raw(values: NDArray[Any], dtype: str) -> bytes:
    return values.astype(numpy_dtype(dtype)).tobytes()


def wide(data: bytes, dtype: str) -> NDArray[numpy.float64]:
    return numpy.frombuffer(data, numpy_dtype(dtype)).astype(numpy.float64)


def restored(data: bytes, bases: list[bytes], dtype: str, weights: list[float]) -> bytes:
    return blend.decoded(blend.encoded(data, bases, dtype, weights), bases)


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=40)
@given(
    count=st.integers(0, 40),
    weights=st.lists(st.floats(), max_size=4),
    lengths=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    data=st.data(),
)
def test_any_bytes_come_back_from_any_bases_by_any_weights(
    dtype: str, count: int, weights: list[float], lengths: list[int], data: st.DataObject
) -> None:
    itemsize = DTYPES[dtype].itemsize
    ours, *bases = (
        data.draw(st.binary(min_size=n * itemsize, max_size=n * itemsize)) for n in (count, *lengths[: len(weights)])
    )
    assert restored(ours, bases, dtype, weights) == ours


@pytest.mark.parametrize("dtype", [dtype for dtype in FLOATS if DTYPES[dtype].itemsize <= 2])
def test_every_pattern_of_8_and_of_16_bits_comes_back(dtype: str) -> None:
    width = DTYPES[dtype].itemsize
    patterns = numpy.arange(1 << 8 * width, dtype=f"u{width}")
    bases = [numpy.random.default_rng(seed).permutation(patterns).tobytes() for seed in range(3)]
    for weights in ([0.5, 0.5, 0.0], [1.0, 1.0, -1.0], [0.3, -7.0, 1e300]):
        assert restored(patterns.tobytes(), bases, dtype, weights) == patterns.tobytes()


@pytest.mark.parametrize("dtype", [dtype for dtype in FLOATS if dtype != "F8_E8M0"])
def test_a_sum_that_a_strategy_rounded_costs_next_to_nothing(dtype: str) -> None:
    scale = 1 if DTYPES[dtype].itemsize > 1 else 1000
    bases = [raw(scale * one, dtype) for one in (OURS, THEIRS)]
    exact = (wide(bases[0], dtype) + wide(bases[1], dtype)) / 2
    average = raw(exact if dtype == "F64" else exact.astype("f4"), dtype)
    data = blend.encoded(average, bases, dtype, [0.5, 0.5])
    assert blend.decoded(data, bases) == average
    assert len(data) < 150


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@pytest.mark.parametrize("weights", [(0.5, 0.5, 0), (0.7, 0.3, 0), (1 / 3, 2 / 3, 0), (1, 1, -1), (0.3, 0.4, 0.3)])
def test_the_weights_that_made_a_sum_are_found(dtype: str, weights: tuple[float, ...]) -> None:
    bases = [raw(one, dtype) for one in (OURS, THEIRS, BASE)]
    merged = sum(weight * wide(one, dtype) for weight, one in zip(weights, bases, strict=True))
    assert isinstance(merged, numpy.ndarray)
    assert blend.fitted(factors.rounded(merged, dtype), bases, dtype) == pytest.approx(weights, abs=1e-12)


def test_weights_that_are_no_simple_fractions_are_fitted_closely_enough() -> None:
    weights = (0.123456789, 0.6543210987, 0.2222)
    bases = [raw(one, "F32") for one in (OURS, THEIRS, BASE)]
    merged = sum(weight * wide(one, "F32") for weight, one in zip(weights, bases, strict=True))
    assert isinstance(merged, numpy.ndarray)
    data = factors.rounded(merged, "F32")
    assert len(blend.encoded(data, bases, "F32", blend.fitted(data, bases, "F32"))) < 0.05 * len(data)


def test_a_sum_that_somebody_rounded_in_another_way_costs_little_more() -> None:
    bases = [raw(one, "F32") for one in (OURS, THEIRS, BASE)]
    ours, theirs, base = (numpy.frombuffer(one, "f4") for one in bases)
    merged = base + numpy.float32(0.3) * ((ours - base) + (theirs - base))
    weights = blend.fitted(merged.tobytes(), bases, "F32")
    assert weights == pytest.approx((0.3, 0.3, 0.4))
    data = blend.encoded(merged.tobytes(), bases, "F32", weights)
    assert blend.decoded(data, bases) == merged.tobytes()
    assert len(data) < 0.05 * merged.nbytes


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=30)
@given(count=st.integers(0, 30), terms=st.integers(1, 4), data=st.data())
def test_some_weights_are_found_whatever_the_numbers(dtype: str, count: int, terms: int, data: st.DataObject) -> None:
    size = count * DTYPES[dtype].itemsize
    ours, *bases = (data.draw(st.binary(min_size=size, max_size=size)) for _ in range(terms + 1))
    weights = blend.fitted(ours, bases, dtype)
    assert len(weights) == terms
    assert restored(ours, bases, dtype, list(weights)) == ours


@pytest.mark.parametrize(
    "numbers",
    [[numpy.nan] * 3, [numpy.inf] * 3, [1e300, -1e300, 1e308], [5e-324, 0.0, -0.0], [0.0] * 3, [], [1e99] * 3],
    ids=str,
)
def test_numbers_from_which_nothing_can_be_fitted_are_no_error(numbers: list[float]) -> None:
    data = numpy.array(numbers, "f8").tobytes()
    assert len(blend.fitted(data, [data, data], "F64")) == 2


def test_which_nan_comes_of_infinities_does_not_depend_on_the_processor() -> None:
    infinities = [struct.pack("<2f", one, 1.0) for one in (numpy.inf, -numpy.inf)]
    usual = struct.pack("<I", 0x7FC00000) + struct.pack("<f", 1.0)
    data = blend.encoded(usual, infinities, "F32", [0.5, 0.5])
    assert blend.decoded(data, infinities) == usual
    assert len(data) == len(blend.encoded(struct.pack("<f", 1.0) * 2, [struct.pack("<f", 1.0) * 2], "F32", [1.0])) + 8


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_the_pieces_in_which_a_sum_is_taken_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bases = [raw(one, "BF16") for one in (OURS, THEIRS)]
    data = blend.encoded(raw(BASE, "BF16")[:2000], bases, "BF16", [0.4, 0.6])
    expected = blend.decoded(data, bases)
    monkeypatch.setattr(blend, "_BLOCK", block)
    assert blend.decoded(data, bases) == expected


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in FLOATS])
def test_other_numbers_are_not_blended(dtype: str) -> None:
    bases = [raw(one, "F32") for one in (OURS, THEIRS)]
    average = raw((OURS + THEIRS) / 2, "F32")
    assert choice.chosen(average, bases, dtype).encoding != blend.NAME


def test_nothing_is_blended_where_the_processor_rounds_small_numbers_to_0(monkeypatch: pytest.MonkeyPatch) -> None:
    bases = [raw(one, "F32") for one in (OURS, THEIRS)]
    average = factors.rounded((wide(bases[0], "F32") + wide(bases[1], "F32")) / 2, "F32")
    assert choice.chosen(average, bases, "F32").encoding == blend.NAME
    monkeypatch.setattr(choice, "keeps_subnormals", lambda: False)
    assert choice.chosen(average, bases, "F32").encoding == "delta"


def test_that_subnormal_numbers_are_kept_is_seen() -> None:
    torch = pytest.importorskip("torch")
    assert factors.keeps_subnormals()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot do otherwise")
    try:
        assert not factors.keeps_subnormals()
    finally:
        torch.set_flush_denormal(False)


def damages() -> dict[str, Any]:
    return {
        "empty": lambda data: b"",
        "cut in the header": lambda data: data[:17],
        "cut in the weights": lambda data: data[:28],
        "cut": lambda data: data[:-1],
        "dtype": lambda data: b"I32\0" + data[4:],
        "no dtype": lambda data: b"\xff" * 16 + data[16:],
        "kind": lambda data: data[:16] + b"x" + data[17:],
        "count": lambda data: data[:17] + b"\3" + data[18:],
        "length": lambda data: data[:18] + struct.pack("<I", 8) + data[22:],
        "bomb": lambda data: data[:18] + struct.pack("<I", 1 << 31) + data[22:],
        "no whole numbers": lambda data: data[:18] + struct.pack("<I", 7) + data[22:],
    }


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_object_is_refused(damage: str) -> None:
    bases = [raw(one, "F32") for one in (OURS, THEIRS)]
    for ours in (BASE, OURS):
        data = blend.encoded(raw(ours, "F32"), bases, "F32", [1.0, 0.0])
        with pytest.raises(CorruptObject):
            blend.decoded(damages()[damage](data), bases)


def test_another_number_of_bases_is_refused() -> None:
    bases = [raw(one, "F32") for one in (OURS, THEIRS)]
    data = blend.encoded(raw(BASE, "F32"), bases, "F32", [0.5, 0.5])
    for others in ([], bases[:1], [*bases, bases[0]]):
        with pytest.raises(CorruptObject, match="not a blend of"):
            blend.decoded(data, others)
