from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]
Versions = tuple[Array, Array, Array]
Make = Callable[..., tuple[Array, ...]]

MATRIX = ["tsv", "iso-c", "iso-cts", "wudi", "ace"]


def close(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def polar(matrix: Array) -> Array:
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left @ right)


@pytest.fixture(params=[(12, 20), (20, 12), (9, 9)])
def three(request: pytest.FixtureRequest, make_versions: Make) -> tuple[Array, ...]:
    """Base and three sides, wide, tall and square."""
    return make_versions(request.param, count=3)


def deltas_of(versions: tuple[Array, ...]) -> list[Array]:
    return [side - versions[0] for side in versions[1:]]


def test_tsv_whitens_the_leading_vectors(merge: Merge, three: tuple[Array, ...]) -> None:
    deltas = deltas_of(three)
    rank = min(three[0].shape) // 3
    parts = [np.linalg.svd(delta, full_matrices=False) for delta in deltas]
    left = polar(np.concatenate([u[:, :rank] for u, _, _ in parts], axis=1))
    right = polar(np.concatenate([v[:rank] for _, _, v in parts], axis=0))
    values = np.concatenate([s[:rank] for _, s, _ in parts])
    close(merge("tsv", *three, scale=0.9), three[0] + 0.9 * left * values @ right)


def test_iso_c_makes_singular_values_equal(merge: Merge, three: tuple[Array, ...]) -> None:
    left, values, right = np.linalg.svd(sum(deltas_of(three), np.zeros(1)), full_matrices=False)
    close(merge("iso-c", *three, scale=1.5), three[0] + 1.5 * values.mean() * left @ right)


def test_iso_cts_adds_directions_of_each_side(merge: Merge, three: tuple[Array, ...]) -> None:
    deltas = deltas_of(three)
    smallest = min(three[0].shape)
    own = round((smallest - int(0.6 * smallest)) / 3)
    common = smallest - 3 * own
    assert own > 0
    u, s, v = np.linalg.svd(sum(deltas, np.zeros(1)), full_matrices=False)
    shared = u[:, :common]
    parts = [np.linalg.svd(delta - shared @ shared.T @ delta, full_matrices=False) for delta in deltas]
    left = polar(np.concatenate([*(p[0][:, :own] for p in parts), shared], axis=1))
    right = polar(np.concatenate([*(p[2][:own] for p in parts), v[:common]], axis=0))
    values = np.concatenate([*(p[1][:own] for p in parts), s[:common]])
    close(merge("iso-cts", *three, common=0.6), three[0] + values.mean() * left @ right)


def test_wudi_is_the_closed_form(merge: Merge, three: tuple[Array, ...]) -> None:
    deltas = deltas_of(three)
    total = sum(deltas, np.zeros(1))
    grams = [delta.T @ delta / np.sum(delta**2) for delta in deltas]
    whole = sum(grams, np.zeros(1))
    products = sum((delta @ gram for delta, gram in zip(deltas, grams, strict=True)), np.zeros(1))
    expected = total + (products - total @ whole) @ np.linalg.pinv(whole, rcond=1e-10)
    close(merge("wudi", *three), three[0] + expected)


def test_wudi_is_where_descent_from_the_sum_arrives(merge: Merge, make_versions: Make) -> None:
    base, *sides = make_versions((4, 6), count=2, size=1.0)
    deltas = [side - base for side in sides]
    change = sum(deltas, np.zeros(1))
    for _ in range(20000):
        gradient = sum(((change - d) @ d.T @ d / np.sum(d**2) for d in deltas), np.zeros(1))
        change = change - 0.5 * gradient
    np.testing.assert_allclose(merge("wudi", base, *sides), base + change, atol=1e-6)


def test_wudi_ignores_a_side_that_did_not_move(merge: Merge, three: tuple[Array, ...]) -> None:
    base, a, b, _ = three
    close(merge("wudi", base, a, b, base, shortcuts=False), merge("wudi", base, a, b))


def ace(deltas: list[Array], epsilon: float, uneven: bool, centred: bool) -> Array:
    middle = [d - d.mean(0, keepdims=True) for d in deltas]
    grams = [m.T @ m for m in middle]
    divisors = [np.trace(g) if uneven else 1.0 for g in grams]
    eye = np.eye(len(grams[0]))
    sigmas = [g / t for g, t in zip(grams, divisors, strict=True)]
    weights = [s + epsilon / t * eye for s, t in zip(sigmas, divisors, strict=True)]
    rows = middle if centred else deltas
    prior = sum(sigmas, np.zeros(1)).mean(0, keepdims=True)
    product = sum((r @ w for r, w in zip(rows, weights, strict=True)), np.zeros(1))
    solution = product @ np.linalg.inv(sum(weights, np.zeros(1)) + prior)
    if not uneven:
        return np.asarray(solution)
    mean = sum(weights, np.zeros(1)) / len(weights)
    residual = sum((d @ (s - mean) for d, s in zip(deltas, sigmas, strict=True)), np.zeros(1))
    u, s, v = np.linalg.svd(residual + solution, full_matrices=False)
    top = int(0.3 * len(s))
    return np.asarray(solution + s[:top].mean() * u[:, :top] @ v[:top])


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_ace_weighs_by_estimated_covariances(
    merge: Merge, three: tuple[Array, ...], uneven: bool, centred: bool
) -> None:
    expected = three[0] + ace(deltas_of(three), 0.02, uneven, centred)
    threshold = 0.0 if uneven else 1e9
    merged = merge("ace", *three, epsilon=0.02, relative=False, uneven=threshold, centred=centred)
    close(merged, expected)


def test_ace_epsilon_is_relative_to_the_size_of_changes(merge: Merge, three: tuple[Array, ...]) -> None:
    base = np.zeros_like(three[0])
    small = merge("ace", base, *(delta * 1e-4 for delta in deltas_of(three)), uneven=1e9)
    close(small * 1e4, merge("ace", base, *deltas_of(three), uneven=1e9))


def calibrated(change: Array, deltas: list[Array], alpha: float) -> Array:
    u, s, v = np.linalg.svd(change, full_matrices=False)
    for r in range(len(s)):
        b = u[:, r] @ change
        ratios = [b @ (u[:, r] @ d) / np.sum((u[:, r] @ d) ** 2) for d in deltas]
        s[r] *= len(deltas) / sum(max(alpha, q) for q in ratios)
    return np.asarray(u * s @ v)


@pytest.mark.parametrize(("given", "alpha"), [("auto", 1 / 3), (1, 1.0), (0.1, 0.1)])
def test_svc_calibrates_the_sum(merge: Merge, three: tuple[Array, ...], given: object, alpha: float) -> None:
    deltas = deltas_of(three)
    expected = three[0] + 0.8 * calibrated(sum(deltas, np.zeros(1)), deltas, alpha)
    close(merge("task-arithmetic", *three, svc=True, svc_alpha=given, scale=0.8), expected)


def test_svc_of_equal_changes_is_that_change(merge: Merge, versions: Versions) -> None:
    base, ours, _ = versions
    close(merge("task-arithmetic", base, ours, ours, svc=True, shortcuts=False), ours)


def test_svc_combines_with_tsv(merge: Merge, three: tuple[Array, ...]) -> None:
    change = merge("tsv", *three) - three[0]
    close(merge("tsv", *three, svc=True, svc_alpha=1), three[0] + calibrated(change, deltas_of(three), 1.0))


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("shape", [(1,), (30,), (4, 3, 2)])
def test_what_is_no_matrix_gets_the_mean_change(
    merge: Merge, make_versions: Make, name: str, shape: tuple[int, ...]
) -> None:
    base, ours, theirs = make_versions(shape)
    close(merge(name, base, ours, theirs), (ours + theirs) / 2)


@pytest.mark.parametrize("name", MATRIX)
def test_tensors_of_more_axes_may_be_flattened(merge: Merge, make_versions: Make, name: str) -> None:
    versions = make_versions((6, 2, 5))
    flat = merge(name, *(version.reshape(6, 10) for version in versions))
    close(merge(name, *versions, flatten=True), flat.reshape(6, 2, 5))


def test_tsv_of_a_matrix_with_fewer_directions_than_sides_is_the_mean(merge: Merge, make_versions: Make) -> None:
    base, *sides = make_versions((1, 5), count=3)
    close(merge("tsv", base, *sides), sum(sides, np.zeros(1)) / 3)


@pytest.mark.parametrize("name", ["wudi", "tsv"])
def test_equal_changes_are_not_doubled(merge: Merge, versions: Versions, name: str) -> None:
    base, ours, _ = versions
    low_rank = base + np.outer(ours[:, 0], ours[0])
    close(merge(name, base, low_rank, low_rank, shortcuts=False), low_rank)


@pytest.mark.parametrize("name", MATRIX)
def test_directions_in_which_nothing_changed_are_left_alone(merge: Merge, make_versions: Make, name: str) -> None:
    # A unit that never fires and a pixel that is always black leave rows and columns as they were. Singular vectors
    # there are arbitrary: another order of rows would give another result.
    base, ours, theirs = make_versions((24, 24))
    for side in (ours, theirs):
        side[:, :6] = base[:, :6]
        side[3:5] = base[3:5]
    order = np.random.default_rng(0).permutation(24)
    merged = merge(name, base, ours, theirs)
    np.testing.assert_allclose(merge(name, base[order], ours[order], theirs[order]), merged[order], atol=1e-8)
    if name != "ace":
        np.testing.assert_allclose(merged[:, :6], base[:, :6], atol=1e-8)


@pytest.mark.parametrize("name", MATRIX)
def test_no_change_at_all_stays_so(merge: Merge, versions: Versions, name: str) -> None:
    base = versions[0]
    close(merge(name, base, base, base, shortcuts=False), base)
