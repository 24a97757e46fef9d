from __future__ import annotations

import numpy
import pytest
from numpy.typing import NDArray

from theta_diff.compare import NamedTensor
from theta_diff.distances import Located
from theta_diff.distances import drift
from theta_diff.distances import moved
from theta_diff.distances import relation
from theta_store.sketches import Sketcher

RANDOM = numpy.random.default_rng(1)
Array = NDArray[numpy.float64]
BASE = {name: RANDOM.standard_normal(40_000) for name in ("a", "b")}


def located(values: dict[str, Array], dtype: str = "F32") -> Located:
    groups, sketches = {}, {}
    for name, array in values.items():
        sketcher = Sketcher("F32")
        sketcher.update(array.astype(numpy.float32).tobytes())
        digest = f"{name}{hash(array.tobytes())}"
        groups[name] = NamedTensor(name, dtype, array.shape, digest)
        sketches[digest] = sketcher.sketch()
    return Located(groups, sketches)


def changed(direction: Array) -> dict[str, Array]:
    return {name: array + direction for name, array in BASE.items()}


ONE, OTHER = 0.1 * RANDOM.standard_normal(40_000), 0.1 * RANDOM.standard_normal(40_000)


def test_drift_is_the_relative_distance() -> None:
    assert drift(located(BASE), located(BASE)) == 0
    assert drift(located(BASE), located(changed(ONE))) == pytest.approx(0.1, rel=0.3)


def test_counters_do_not_drift() -> None:
    assert drift(located(BASE, "I64"), located(changed(ONE), "I64")) is None


@pytest.mark.parametrize(
    ("left", "right", "cosine", "both"), [(ONE, ONE, 1, 0), (ONE, -ONE, -1, 2), (ONE, OTHER, 0, 2)]
)
def test_the_cosine_of_two_changes(left: Array, right: Array, cosine: float, both: int) -> None:
    found = relation(located(BASE), located(changed(left)), located(changed(right)))
    assert found.cosine == pytest.approx(cosine, abs=0.35)
    assert found.both == both


def test_a_branch_that_changed_nothing_has_no_direction() -> None:
    found = relation(located(BASE), located(BASE), located(changed(ONE)))
    assert found.cosine is None
    assert found.both == 0
    assert found.distance == pytest.approx(0.1, rel=0.3)


def test_groups_that_moved() -> None:
    assert moved(located(BASE), located({"a": BASE["a"], "c": ONE})) == {"b", "c"}


def test_without_sketches_nothing_is_known() -> None:
    blind = Located(located(BASE).groups, {})
    assert drift(blind, blind) is None
    assert relation(blind, blind, blind).distance is None
