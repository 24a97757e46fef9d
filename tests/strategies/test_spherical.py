from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strategies.contract import CannotMerge
from strategies.contract import MergeWarning

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]
Versions = tuple[Array, Array, Array]


def close(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def arc(a: Array, b: Array, t: float) -> Array:
    theta = np.arccos(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))
    return np.asarray((np.sin((1 - t) * theta) * a + np.sin(t * theta) * b) / np.sin(theta))


@pytest.fixture
def far() -> Versions:
    """Two sides at a wide angle to each other."""
    random = np.random.default_rng(1)
    base, ours, theirs = random.normal(size=(3, 6, 5))
    return base, ours, 3 * theirs


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0, 1.2])
def test_slerp_follows_the_arc(merge: Merge, far: Versions, t: float) -> None:
    base, ours, theirs = far
    close(merge("slerp", base, ours, theirs, t=t), arc(ours, theirs, t))


def test_slerp_of_changes(merge: Merge, far: Versions) -> None:
    base, ours, theirs = far
    close(merge("slerp", base, ours, theirs, t=0.3, deltas=True), base + arc(ours - base, theirs - base, 0.3))


def test_slerp_of_near_parallel_sides_is_a_line_and_says_so(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions[0], versions[0] + 0.01, versions[0] * 1.01
    with pytest.warns(MergeWarning, match="nearly parallel"):
        close(merge("slerp", base, ours, theirs, t=0.3), 0.7 * ours + 0.3 * theirs)


def test_slerp_of_opposite_sides_is_a_line(merge: Merge, far: Versions) -> None:
    base, ours, _ = far
    close(merge("slerp", base, ours, -ours, t=0.25), 0.5 * ours)


def test_slerp_with_a_zero_side_is_a_quarter_turn(merge: Merge, far: Versions) -> None:
    base, ours, _ = far
    close(merge("slerp", base, ours, ours * 0, t=0.3), np.sin(0.7 * np.pi / 2) * ours)


@pytest.mark.parametrize(("weights", "t"), [("1,1", 0.5), ("3,1", 0.25), ("1,-1", 0.5)])
def test_nuslerp_slerps_changes_by_weight(merge: Merge, far: Versions, weights: str, t: float) -> None:
    base, ours, theirs = far
    close(merge("nuslerp", base, ours, theirs, weights=weights), base + arc(ours - base, theirs - base, t))


def test_nuslerp_without_base_slerps_values(merge: Merge, far: Versions) -> None:
    _, ours, theirs = far
    close(merge("nuslerp", None, ours, theirs), arc(ours, theirs, 0.5))


def test_nuslerp_by_slices_of_the_last_axis(merge: Merge, far: Versions) -> None:
    base, ours, theirs = far
    expected = base + np.stack([arc(a, b, 0.5) for a, b in zip(ours - base, theirs - base, strict=True)])
    close(merge("nuslerp", base, ours, theirs, flatten=False), expected)


def test_nuslerp_by_slices_of_the_first_axis(merge: Merge, far: Versions) -> None:
    base, ours, theirs = far
    columns = zip((ours - base).T, (theirs - base).T, strict=True)
    expected = base + np.stack([arc(a, b, 0.5) for a, b in columns], axis=1)
    close(merge("nuslerp", base, ours, theirs, flatten=False, row_wise=True), expected)


def test_nuslerp_may_take_its_angles_in_float32(merge: Merge) -> None:
    random = np.random.default_rng(3)
    base, ours, theirs = (random.normal(size=(40, 3)).astype(np.float32) for _ in range(3))
    found = merge("nuslerp", base, ours, theirs, flatten=False, angles="input")
    a, b = ours - base, theirs - base
    units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b)]
    theta = np.arccos((units[0] * units[1]).sum(1, keepdims=True))
    assert theta.dtype == np.float32
    expected = base + (np.sin(theta / 2) * a + np.sin(theta / 2) * b) / np.sin(theta)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    rows = zip(a.astype(float), b.astype(float), strict=True)
    exact = base + np.stack([arc(one, other, 0.5) for one, other in rows])
    by_default = merge("nuslerp", base, ours, theirs, flatten=False)
    assert np.abs(by_default - exact).mean() < np.abs(found - exact).mean()


@pytest.mark.parametrize("factor", [-1.0, -1.001, 1.0 + 1e-12])
def test_nuslerp_does_not_blow_up_on_a_line(merge: Merge, factor: float) -> None:
    base, change = np.ones(1), np.full(1, 0.5)
    merged = merge("nuslerp", base, base + change, base + factor * change)
    close(merged, base + change * (1 + factor) / 2)


def test_nuslerp_zero_side(merge: Merge, far: Versions) -> None:
    base, ours, _ = far
    close(merge("nuslerp", base, ours, base, shortcuts=False), base + np.sin(np.pi / 4) * (ours - base))


def test_multislerp_takes_one_tangent_step(merge: Merge, make_versions: Callable[..., tuple[Array, ...]]) -> None:
    base, *sides = make_versions((5, 4), count=3)
    weights = np.array([0.5, 0.3, 0.2])
    deltas = [side - base for side in sides]
    lengths = np.array([np.linalg.norm(delta) for delta in deltas])
    units = [delta / length for delta, length in zip(deltas, lengths, strict=True)]
    mean = sum(w * u for w, u in zip(weights, units, strict=True))
    mean = mean / np.linalg.norm(mean)
    tangent = sum(w * (u - np.sum(u * mean) * mean) for w, u in zip(weights, units, strict=True))
    step = np.linalg.norm(tangent) + 1e-8
    expected = base + (mean * np.cos(step) + tangent * np.sin(step) / step) * (weights @ lengths)
    close(merge("multislerp", base, *sides, weights="5,3,2"), expected)


def test_multislerp_of_one_side_is_that_side(merge: Merge, far: Versions) -> None:
    np.testing.assert_array_equal(merge("multislerp", far[0], far[1]), far[1])


def test_multislerp_of_two_opposite_sides_is_a_line(merge: Merge, far: Versions) -> None:
    base, ours, _ = far
    close(merge("multislerp", base, ours, 2 * base - ours), base)


def test_multislerp_of_three_that_cancel_is_an_error(merge: Merge) -> None:
    base = np.zeros(2)
    angles = np.array([0, 2, 4]) * np.pi / 3
    with pytest.raises(CannotMerge, match="directions cancel"):
        merge("multislerp", base, *np.stack([np.cos(angles), np.sin(angles)], axis=1))


def karcher(vectors: list[Array], weights: Array, steps: int) -> Array:
    lengths = np.array([np.linalg.norm(vector) for vector in vectors])
    units = [vector / length for vector, length in zip(vectors, lengths, strict=True)]
    u = sum(w * unit for w, unit in zip(weights, units, strict=True))
    u = np.asarray(u / np.linalg.norm(u))
    for _ in range(steps):
        tangent = np.zeros_like(u)
        for w, unit in zip(weights, units, strict=True):
            theta = np.arccos(np.clip(np.sum(u * unit), -1, 1))
            tangent += w * theta / np.sin(theta) * (unit - np.cos(theta) * u)
        step = np.linalg.norm(tangent)
        u = u * np.cos(step) + tangent * np.sin(step) / step
        u /= np.linalg.norm(u)
    return np.asarray(u * (weights @ lengths))


def test_karcher_iterates_the_mean(merge: Merge, make_versions: Callable[..., tuple[Array, ...]]) -> None:
    _, *sides = make_versions((5, 4), count=3, size=2.0)
    weights = np.array([0.5, 0.25, 0.25])
    close(merge("karcher", None, *sides, weights="2,1,1", max_iter=3, tol=1e-12), karcher(sides, weights, 3))


def test_karcher_of_two_is_half_way_on_the_arc(merge: Merge, far: Versions) -> None:
    base, ours, theirs = far
    unit_a, unit_b = ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs)
    length = (np.linalg.norm(ours) + np.linalg.norm(theirs)) / 2
    np.testing.assert_allclose(
        merge("karcher", base, ours, theirs), arc(unit_a, unit_b, 0.5) * length, rtol=1e-4, atol=1e-4
    )


def test_karcher_of_changes(merge: Merge, far: Versions) -> None:
    base, ours, theirs = far
    changes = merge("karcher", None, ours - base, theirs - base)
    close(merge("karcher", base, ours, theirs, deltas=True), base + changes)


def test_karcher_counts_zero_vectors_in_the_length_only(merge: Merge, far: Versions) -> None:
    _, ours, _ = far
    close(merge("karcher", None, ours, ours * 0), ours / 2)


def test_karcher_of_sides_without_weight_or_length_is_zero(merge: Merge, far: Versions) -> None:
    _, ours, _ = far
    close(merge("karcher", None, ours, ours * 0, weights="0,1"), ours * 0)


def test_karcher_of_opposite_sides_warns_and_takes_the_first_direction(merge: Merge, far: Versions) -> None:
    base, ours, _ = far
    with pytest.warns(MergeWarning, match="opposite"):
        merged = merge("karcher", base, ours, -ours)
    close(merged, ours)
