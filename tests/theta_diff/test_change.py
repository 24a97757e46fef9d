from __future__ import annotations

import math

import numpy
import pytest
from numpy.typing import NDArray

from theta_diff.change import estimated
from theta_diff.change import estimates
from theta_diff.change import is_measurable
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_store.sketches import Sketch
from theta_store.sketches import Sketcher


def sketch(values: NDArray[numpy.float32]) -> Sketch:
    sketcher = Sketcher("F32")
    sketcher.update(values.tobytes())
    return sketcher.sketch()


def pair(old_dtype: str = "F32", old_shape: tuple[int, ...] = (4,), **new: object) -> Pair:
    old = NamedTensor("w", old_dtype, old_shape, "1" * 64)
    facts: dict[str, object] = {"dtype": "F32", "shape": (4,), "digest": "2" * 64} | new
    return Pair(old, NamedTensor("w", **facts))  # type: ignore[arg-type]


RANDOM = numpy.random.default_rng(0)
OLD = RANDOM.standard_normal(50_000).astype(numpy.float32)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.1, 1.0])
def test_a_change_is_estimated_within_its_error(size: float) -> None:
    new = (OLD + size * RANDOM.standard_normal(OLD.size)).astype(numpy.float32)
    change = estimated(pair(), sketch(OLD), sketch(new))
    delta = float(numpy.linalg.norm(new - OLD) / numpy.linalg.norm(OLD))
    assert change.estimated
    assert change.relative_change == pytest.approx(delta, rel=0.3)
    cosine = float(OLD @ new / numpy.linalg.norm(OLD) / numpy.linalg.norm(new))
    assert change.cosine is not None
    assert 1 - change.cosine == pytest.approx(1 - cosine, rel=0.6, abs=1e-6)


def test_a_change_from_all_zeros_has_no_ratio() -> None:
    change = estimated(pair(), sketch(numpy.zeros(4, numpy.float32)), sketch(OLD[:4]))
    assert change.relative_change is None
    assert change.from_zero


def test_nan_and_infinite_values_are_counted() -> None:
    new = OLD[:4].copy()
    new[0], new[1] = math.nan, math.inf
    change = estimated(pair(), sketch(OLD[:4]), sketch(new))
    assert change.nans == (0, 1)
    assert change.infinities == (0, 1)


def test_other_shapes_have_no_distance() -> None:
    change = estimated(pair(shape=(2, 2)), sketch(OLD[:4]), sketch(OLD[:4]))
    assert change.relative_change is None


def test_other_storage_orders_have_no_estimate() -> None:
    old, new = sketch(OLD[:4]), sketch(OLD[4:8])
    change = estimated(pair(old_shape=(2, 2), shape=(2, 2), strides=(1, 2)), old, new)
    assert change.relative_change is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pair(), True),
        (pair("BF16"), True),
        (pair("I64"), True),
        (pair("C64", dtype="C64"), True),
        (pair("C64"), False),
        (pair("F4_UNHEARD_OF"), False),
        (pair(old_shape=(5,)), False),
    ],
)
def test_what_can_be_measured(given: Pair, expected: bool) -> None:
    assert is_measurable(given) is expected


def test_pairs_without_a_sketch_are_left_out() -> None:
    known = {"1" * 64: sketch(OLD), "2" * 64: sketch(OLD)}
    assert set(estimates([pair()], known, known)) == {"w"}
    assert estimates([pair()], known, {}) == {}
    assert estimates([pair(is_part=True)], known, known) == {}
