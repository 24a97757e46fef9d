from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy
import pytest
from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_diff.change import exact
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.statistics import Collector
from theta_diff.statistics import Statistics
from theta_diff.verdict import verdict
from theta_store.arrays import flat_array

Array = NDArray[Any]
RANDOM = numpy.random.default_rng(7)
W = (RANDOM.standard_normal((300, 40)) * 0.02).astype(numpy.float32)


def statistics(old: Array, new: Array, dtypes: tuple[str, str] = ("F32", "F32"), step: int = 1000) -> Statistics:
    collector = Collector(*dtypes, new.shape)
    columns = math.prod(new.shape[1:])
    step = max(1, step // columns) * columns
    for start in range(0, new.size, step):
        collector.update(old.reshape(-1)[start : start + step], new.reshape(-1)[start : start + step])
    return collector.statistics()


def test_measures_agree_with_float64() -> None:
    new = (W + 0.001 * RANDOM.standard_normal(W.shape)).astype(numpy.float32)
    found = statistics(W, new)
    old64, new64 = W.astype(numpy.float64).reshape(-1), new.astype(numpy.float64).reshape(-1)
    delta = new64 - old64
    norms = numpy.linalg.norm(old64), numpy.linalg.norm(new64)
    assert found.elements == W.size
    assert found.distance == pytest.approx(numpy.linalg.norm(delta), rel=1e-5)
    assert found.relative_change == pytest.approx(numpy.linalg.norm(delta) / norms[0], rel=1e-5)
    assert found.cosine is not None
    assert 1 - found.cosine == pytest.approx(1 - old64 @ new64 / norms[0] / norms[1], rel=1e-3)
    assert found.max_abs == pytest.approx(numpy.abs(delta).max(), rel=1e-5)
    assert found.max_at == tuple(map(int, numpy.unravel_index(numpy.abs(delta).argmax(), W.shape)))
    assert found.old.mean == pytest.approx(old64.mean(), abs=1e-8)
    assert found.new.std == pytest.approx(new64.std(), rel=1e-5)
    assert (found.new.minimum, found.new.maximum) == (new.min(), new.max())
    assert found.shift == pytest.approx(delta.mean(), rel=1e-3)


@pytest.mark.parametrize("step", [40, 320, 4000, 12_000])
def test_the_answer_does_not_depend_on_the_slices(step: int) -> None:
    new = W.copy()
    new[5] *= 2
    whole, cut = statistics(W, new, step=100_000), statistics(W, new, step=step)
    assert cut.max_at == whole.max_at
    assert cut.changed == whole.changed == 40
    assert cut.changed_rows == whole.changed_rows == 1
    assert cut.distance == pytest.approx(whole.distance, rel=1e-6)
    assert cut.spectrum == whole.spectrum


def test_the_cosine_of_nearly_equal_versions_is_precise() -> None:
    new = W.astype(numpy.float64)
    new = new + 1e-9 * RANDOM.standard_normal(W.shape)
    found = statistics(W.astype(numpy.float64), new, ("F64", "F64"))
    assert found.cosine is not None
    assert found.relative_change is not None
    assert 0 < 1 - found.cosine < 1e-13


def test_opposite_versions_have_cosine_minus_one() -> None:
    assert statistics(W, -W).cosine == pytest.approx(-1)


def test_nan_and_infinities_are_counted_and_left_out() -> None:
    old, new = W.copy(), W.copy()
    old[0, 0] = new[0, 0] = math.nan
    new[1, 1], new[2, 2] = math.inf, math.nan
    new[3, 3] += 1
    found = statistics(old, new)
    assert (found.old.nans, found.new.nans, found.old.infinities, found.new.infinities) == (1, 2, 0, 1)
    assert found.changed == 3
    assert found.max_at == (3, 3)
    assert found.distance == pytest.approx(1, rel=1e-5)
    assert found.new.maximum == pytest.approx(new[3, 3])


def test_all_values_nan_is_no_trouble() -> None:
    found = statistics(W, numpy.full_like(W, math.nan))
    assert found.new.mean is None
    assert found.relative_change is None
    assert found.new.nans == W.size


def test_huge_values_do_not_overflow() -> None:
    old = numpy.full(10, 1e30, numpy.float32)
    found = statistics(old, old * 2)
    assert found.relative_change == pytest.approx(1)
    assert found.distance == pytest.approx(1e30 * math.sqrt(10))


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E5M2", "C64", "C128"])
@pytest.mark.parametrize("shape", [(4096,), (64, 64)])
def test_random_bits_have_statistics_and_only_finite_measures(dtype: str, shape: tuple[int, ...]) -> None:
    length = math.prod(shape) * DTYPES[dtype].itemsize
    old, new = (flat_array(numpy.random.default_rng(seed).bytes(length), dtype) for seed in (0, 1))
    collector = Collector(dtype, dtype, shape, histograms=True)
    collector.update(old, new)
    found = exact(collector.statistics())
    for measure in (found.relative_change, found.cosine, found.max_abs, found.distance):
        assert measure is None or math.isfinite(measure)
    tensor = NamedTensor("w", dtype, shape, "0" * 64)
    assert "nan" not in verdict(Pair(tensor, tensor), collector.statistics())


def test_a_constant_shift_and_a_scale_are_told_apart() -> None:
    shifted, scaled = statistics(W, W + numpy.float32(0.5)), statistics(W, W * numpy.float32(0.5))
    assert shifted.shift == pytest.approx(0.5)
    assert shifted.shift_rest == pytest.approx(0, abs=1e-4)
    assert scaled.scale == pytest.approx(0.5)
    assert scaled.scale_rest == pytest.approx(0, abs=1e-4)
    assert shifted.scale_rest > 0.5


def test_rows_that_died_are_counted() -> None:
    new = W.copy()
    new[3:8] = 0
    assert statistics(W, new).zero_rows == (0, 5)


def test_integers_are_exact() -> None:
    old = numpy.array([2**40, 5], numpy.int64)
    found = statistics(old, old + numpy.array([1, 0]), ("I64", "I64"))
    assert (found.changed, found.max_abs, found.max_at) == (1, 1.0, (0,))


def test_complex_numbers_count_as_elements() -> None:
    old = numpy.array([1 + 1j, 2 + 0j, 3j], numpy.complex64)
    new = numpy.array([1 + 1j, 2 + 5j, 3j], numpy.complex64)
    found = statistics(old, new, ("C64", "C64"))
    assert (found.elements, found.changed, found.max_abs, found.max_at) == (3, 1, 5.0, (1,))


def test_booleans_count_as_0_and_1() -> None:
    found = statistics(numpy.array([True, False, True]), numpy.array([True, True, True]), ("BOOL", "BOOL"))
    assert (found.changed, found.max_abs) == (1, 1.0)


def test_a_0d_tensor_has_an_empty_index() -> None:
    assert statistics(numpy.array(3.0, numpy.float32), numpy.array(4.0, numpy.float32)).max_at == ()


def test_bfloat16_is_read_as_float32() -> None:
    old, new = W.astype(ml_dtypes.bfloat16), (W * 2).astype(ml_dtypes.bfloat16)
    assert statistics(old, new, ("BF16", "BF16")).relative_change == pytest.approx(1)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0)])
def test_an_empty_tensor_has_no_numbers(shape: tuple[int, ...]) -> None:
    collector = Collector("F32", "F16", shape, histograms=True)
    found = collector.statistics()
    assert (found.elements, found.changed, found.max_at, found.new.mean) == (0, 0, None, None)
    assert found.histograms is None
