from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from strategies.apply import merged
from strategies.contract import Context
from strategies.given_options import parse_options
from strategies.registry import strategy
from strategies.survey import surveyed

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]
Versions = tuple[Array, Array, Array]


def close(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.fixture
def three(make_versions: Callable[..., tuple[Array, ...]]) -> tuple[Array, ...]:
    """Base and three sides, 12 x 20."""
    return make_versions((12, 20), count=3)


def deltas_of(versions: tuple[Array, ...]) -> Array:
    return np.stack(versions[1:]) - versions[0]


def trimmed(delta: Array, density: float) -> Array:
    count = max(int(density * delta.size), 1)
    order = np.argsort(-np.abs(delta).ravel(), kind="stable")
    mask = np.zeros(delta.size, dtype=bool)
    mask[order[:count]] = True
    return delta * mask.reshape(delta.shape)


def elected(changes: Array, weights: Array, normalize: bool, votes: Array | None = None) -> Array:
    """The engine of the specification's section 2."""
    weights = weights.reshape(-1, *[1] * (changes.ndim - 1))
    weighted = changes * weights
    sign = np.where((weighted if votes is None else changes * votes).sum(0) >= 0, 1.0, -1.0)
    agree = np.sign(weighted) == sign
    mass = (agree * weights).sum(0)
    total = (agree * weighted).sum(0)
    return np.asarray(total / np.where(mass == 0, 1, mass) if normalize else total)


def test_task_arithmetic_adds_changes(merge: Merge, three: tuple[Array, ...]) -> None:
    d = deltas_of(three)
    expected = three[0] + 0.3 * (2 * d[0] + d[1] - d[2])
    close(merge("task-arithmetic", *three, weights="2,1,-1", scale=0.3), expected)


def test_task_arithmetic_may_divide_by_weights(merge: Merge, three: tuple[Array, ...]) -> None:
    d = deltas_of(three)
    close(merge("task-arithmetic", *three, weights="2,1,1", normalize=True), three[0] + (2 * d[0] + d[1] + d[2]) / 4)


def test_one_side_may_be_negated(merge: Merge, versions: Versions) -> None:
    base, ours, _ = versions
    close(merge("task-arithmetic", base, ours, weights=-1), 2 * base - ours)


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2, 0.001])
def test_ties_trims_elects_and_averages(merge: Merge, three: tuple[Array, ...], density: float) -> None:
    kept = np.stack([trimmed(d, density) for d in deltas_of(three)])
    weights = np.array([1.0, 2.0, 0.5])
    expected = three[0] + 1.3 * elected(kept, weights, normalize=True)
    close(merge("ties", *three, density=density, weights="1,2,0.5", scale=1.3), expected)


def test_ties_takes_a_density_per_side(merge: Merge, versions: Versions) -> None:
    d = deltas_of(versions)
    kept = np.stack([trimmed(d[0], 0.3), d[1]])
    close(merge("ties", *versions, density="0.3,1"), versions[0] + elected(kept, np.ones(2), normalize=True))


def test_ties_may_elect_unweighted_as_the_paper(merge: Merge, versions: Versions) -> None:
    d = deltas_of(versions)
    weights = np.array([5.0, 1.0])
    expected = versions[0] + elected(d, weights, normalize=True, votes=np.ones((2, 1, 1)))
    close(merge("ties", *versions, weights="5,1", elect="unweighted"), expected)
    assert not np.allclose(merge("ties", *versions, weights="5,1"), expected)


def test_ties_without_normalize_adds_up(merge: Merge, versions: Versions) -> None:
    d = deltas_of(versions)
    expected = versions[0] + elected(d, np.ones(2), normalize=False)
    close(merge("ties", *versions, normalize=False), expected)


def test_a_zero_sum_counts_as_positive(merge: Merge) -> None:
    base = np.zeros(2)
    close(merge("ties", base, np.array([1.0, 2.0]), np.array([-1.0, 2.0])), np.array([1.0, 2.0]))


def test_a_zero_sum_may_take_the_sign_of_the_majority_as_in_the_paper(merge: Merge) -> None:
    base, ours, theirs = np.zeros(4), np.array([1.0, -2.0, -3.0, 0.0]), np.array([-1.0, -2.0, -1.0, 0.0])
    close(merge("ties", base, ours, theirs, zero_sum="majority"), np.array([-1.0, -2.0, -2.0, 0.0]))
    close(merge("ties", base, -ours, -theirs, zero_sum="majority"), np.array([1.0, 2.0, 2.0, 0.0]))


@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_the_majority_is_that_of_what_trimming_leaves_in_all_groups(scope: str) -> None:
    chosen = strategy("ties")
    options = parse_options(chosen, {"zero_sum": "majority", "density": 0.5, "scope": scope})
    groups = {
        "a": (torch.zeros(4), (torch.tensor([5.0, 5, 1, 1]), torch.tensor([-5.0, 5, 1, 1]))),
        "b": (torch.zeros(4), (torch.tensor([-4.0, -4, -4, 1]), torch.tensor([-4.0, -4, -4, 1]))),
    }
    statistics = surveyed(chosen, options, lambda: [(Context(name), *group) for name, group in groups.items()])
    assert statistics["majority"] == -1
    merged_a = merged(chosen, *groups["a"], options, Context("a", statistics=statistics))
    assert merged_a.tolist() == [-5, 5, 0, 0]


@pytest.mark.parametrize("name", ["ties", "dare-ties", "della", "breadcrumbs-ties"])
def test_a_signed_divisor_is_that_of_mergekit(merge: Merge, versions: Versions, name: str) -> None:
    own: dict[str, dict[str, Any]] = {
        "dare-ties": {"density": 1},
        "della": {"density": 0.9999, "epsilon": 0},
        "breadcrumbs-ties": {"density": 1},
    }
    options: dict[str, Any] = {"normalize": True, "weights": "1,-0.4", **own.get(name, {})}
    expected = versions[0] + elected(deltas_of(versions), np.array([1.0, -0.4]), normalize=True)
    found = merge(name, *versions, **options, divisor="signed")
    rtol = 1e-3 if name == "della" else 1e-9
    share = np.isclose(found, expected, rtol=rtol, atol=1e-9).mean()
    assert share > 0.99
    assert not np.allclose(merge(name, *versions, **options), expected, rtol=rtol)


def test_a_negative_weight_does_not_amplify(merge: Merge, versions: Versions) -> None:
    merged = merge("ties", *versions, weights="1,-0.5")
    assert np.abs(merged - versions[0]).max() <= np.abs(deltas_of(versions)).max() * (1 + 1e-12)


def test_equal_magnitudes_are_kept_from_the_front(merge: Merge) -> None:
    base, ours = np.zeros(6), np.array([1.0, -1.0, 1.0, 1.0, 2.0, 0.0])
    close(merge("ties", base, ours, density=0.5), np.array([1.0, -1.0, 0.0, 0.0, 2.0, 0.0]))


@pytest.mark.parametrize("name", ["ties", "breadcrumbs", "breadcrumbs-ties"])
def test_l1_rescaling_keeps_the_l1_norm(merge: Merge, versions: Versions, name: str) -> None:
    base, ours, _ = versions
    merged = merge(name, base, ours, density=0.3, rescale="l1")
    np.testing.assert_allclose(np.abs(merged - base).sum(), np.abs(ours - base).sum())


def without_outliers(delta: Array, density: float, gamma: float) -> Array:
    keep, top = int(density * delta.size), int(gamma * delta.size)
    low = max(0, delta.size - keep - top)
    order = np.argsort(np.abs(delta).ravel(), kind="stable")
    mask = np.zeros(delta.size, dtype=bool)
    mask[order[low : low + keep]] = True
    return delta * mask.reshape(delta.shape)


@pytest.mark.parametrize(("density", "gamma"), [(0.9, 0.01), (0.5, 0.1), (1.0, 0.5), (0.9, 0.5)])
def test_breadcrumbs_cut_both_ends(merge: Merge, three: tuple[Array, ...], density: float, gamma: float) -> None:
    kept = np.stack([without_outliers(d, density, gamma) for d in deltas_of(three)])
    expected = three[0] + 0.7 * kept.sum(0)
    close(merge("breadcrumbs", *three, density=density, gamma=gamma, scale=0.7), expected)
    expected = three[0] + elected(kept, np.ones(3), normalize=False)
    close(merge("breadcrumbs-ties", *three, density=density, gamma=gamma), expected)


def test_breadcrumbs_keep_small_tensors(merge: Merge, make_versions: Callable[..., tuple[Array, ...]]) -> None:
    base, ours = make_versions((50,), count=1)
    assert np.count_nonzero(merge("breadcrumbs", base, ours) - base) == 45


@pytest.mark.parametrize("tau", [1.0, 0.4])
def test_sce_selects_weighs_and_erases(merge: Merge, three: tuple[Array, ...], tau: float) -> None:
    d = deltas_of(three) * np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    variance = d.var(axis=0)
    chosen = trimmed(variance, tau) != 0
    kept = d * chosen
    energy = (kept**2).mean(axis=(1, 2))
    shares = energy / energy.sum()
    sign = np.where(kept.sum(0) >= 0, 1.0, -1.0)
    agree = np.sign(kept) == sign
    mass = (agree * shares.reshape(3, 1, 1)).sum(0)
    expected = three[0] + (agree * kept * shares.reshape(3, 1, 1)).sum(0) / np.where(mass == 0, 1, mass)
    close(merge("sce", three[0], *(three[0] + d), select_topk=tau), expected)


def test_sce_does_not_depend_on_the_size_of_changes(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = np.zeros((12, 20)), versions[1] * 3, versions[2]
    close(merge("sce", base, ours * 1e-8, theirs * 1e-8) * 1e8, merge("sce", base, ours, theirs))


def test_sce_weighs_alike_below_a_floor(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = np.zeros((12, 20)), np.abs(versions[1]) * 1e-4, np.abs(versions[2]) * 3e-4
    floored = merge("sce", base, ours, theirs, floor=1e-6)
    close(floored, np.where((ours > 0) & (theirs > 0), (ours + theirs) / 2, 0))


@pytest.fixture
def overlapping() -> Versions:
    """Two sides that changed different, overlapping parts of a vector."""
    random = np.random.default_rng(5)
    base = random.normal(size=40)
    ours, theirs = base.copy(), base.copy()
    ours[:25] += random.normal(size=25)
    theirs[15:] += random.normal(size=25)
    return base, ours, theirs


def test_ram_keeps_lone_changes_and_averages_shared_ones(merge: Merge, overlapping: Versions) -> None:
    _, ours, theirs = overlapping
    expected = np.concatenate([ours[:15], (ours[15:25] + theirs[15:25]) / 2, theirs[25:]])
    close(merge("ram", *overlapping), expected)


def test_ram_ignores_changes_up_to_epsilon(merge: Merge, overlapping: Versions) -> None:
    base, ours, _ = overlapping
    close(merge("ram", base, ours, base + 1e-6, epsilon=1e-5), ours)


@pytest.mark.parametrize("scope", ["model", "tensor"])
def test_ramplus_amplifies_lone_changes(merge: Merge, overlapping: Versions, scope: str) -> None:
    base, ours, theirs = overlapping
    factor = 1 + 0.1 * min(10 / 15, 0.5)
    lone = factor * (ours[:15] - base[:15]), factor * (theirs[25:] - base[25:])
    shared = (ours[15:25] + theirs[15:25]) / 2 - base[15:25]
    expected = base + np.concatenate([lone[0], shared, lone[1]])
    close(merge("ramplus", *overlapping, scope=scope, alpha=0.5), expected)


def test_ramplus_without_lone_changes_saturates(merge: Merge, versions: Versions) -> None:
    close(merge("ramplus", *versions), (versions[1] + versions[2]) / 2)


def test_magmax_takes_the_largest_change(merge: Merge, three: tuple[Array, ...]) -> None:
    d = deltas_of(three)
    expected = three[0] + 0.5 * np.take_along_axis(d, np.abs(d).argmax(0)[None], 0)[0]
    close(merge("magmax", *three, scale=0.5), expected)


def test_magmax_prefers_the_later_of_equal_changes(merge: Merge) -> None:
    close(merge("magmax", np.zeros(2), np.array([1.0, 3.0]), np.array([-1.0, 2.0])), np.array([-1.0, 3.0]))


def test_emr_takes_the_largest_change_of_the_elected_sign(merge: Merge, three: tuple[Array, ...]) -> None:
    d = deltas_of(three)
    sign = np.where(d.mean(0) > 0, 1.0, -1.0)
    expected = three[0] + sign * np.max(np.abs(d) * (np.sign(d) == sign), axis=0)
    close(merge("emr", *three), expected)


@pytest.mark.parametrize("agreement", [1, 2, 3])
def test_consensus_keeps_what_matters_to_enough_sides(merge: Merge, three: tuple[Array, ...], agreement: int) -> None:
    d = deltas_of(three)
    total = d.sum(0)
    votes = (np.abs(d) > 0.6 * np.abs(total - d)).sum(0)
    expected = three[0] + 0.3 * total * (votes >= agreement)
    close(merge("consensus", *three, threshold=0.6, agreement=agreement, scale=0.3), expected)


def balance(d: Array, ratio: float) -> Array:
    """PCB-Merging as published, over flattened models."""
    count, size = d.shape

    def clamped(x: Array, low: float, high: float) -> Array:
        ordered = np.sort(x)
        return np.asarray(np.clip(x, ordered[int(size * low)], ordered[int(size * (1 - high) - 1)]))

    def stretched(x: Array) -> Array:
        return np.asarray((x - x.min()) / (x.max() - x.min()))

    magnitudes = np.stack([clamped(np.abs(row), 0.0001, 0.0001) for row in d])
    inner = np.exp(count * np.stack([stretched(row) for row in magnitudes]) ** 2)
    score = inner * np.tanh(d * d.sum(0))
    s = np.stack([stretched(clamped(row, 1 - ratio, 0)) for row in score])
    return np.asarray((np.sign(d) * magnitudes * s).sum(0) / np.maximum(s.sum(0), 1e-12))


@pytest.mark.parametrize(("scope", "tolerance"), [("tensor", 1e-10), ("model", 1e-5)])
def test_pcb_weighs_by_competition(merge: Merge, three: tuple[Array, ...], scope: str, tolerance: float) -> None:
    d = deltas_of(three)
    expected = three[0] + 1.2 * balance(d.reshape(3, -1), 0.2).reshape(12, 20)
    merged = merge("pcb", *three, ratio=0.2, scale=1.2, scope=scope)
    np.testing.assert_allclose(merged, expected, rtol=0, atol=tolerance)


def test_model_stock_interpolates_by_the_mean_cosine(merge: Merge, three: tuple[Array, ...]) -> None:
    common = np.random.default_rng(9).normal(size=(12, 20)) * 0.2
    versions = (three[0], *(side + common for side in three[1:]))
    d = deltas_of(versions).reshape(3, -1)
    unit = d / np.linalg.norm(d, axis=1, keepdims=True)
    c = (unit @ unit.T)[np.triu_indices(3, 1)].mean()
    expected = versions[0] + 3 * c / (1 + 2 * c) * d.mean(0).reshape(12, 20)
    close(merge("model-stock", *versions), expected)


def test_model_stock_by_row(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions[0], versions[1] + 0.3, versions[2] + 0.3
    a, b = ours - base, theirs - base
    c = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    expected = base + (2 * c / (1 + c))[:, None] * (a + b) / 2
    close(merge("model-stock", base, ours, theirs, filter_wise=True), expected)


def test_model_stock_may_take_its_angles_in_float32(merge: Merge) -> None:
    random = np.random.default_rng(0)
    base, ours, theirs = (random.normal(size=(40, 3)).astype(np.float32) for _ in range(3))
    found = merge("model-stock", base, ours, theirs, filter_wise=True, clamp=False, angles="input")
    a, b = ours - base, theirs - base
    c = ((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)))[:, None]
    assert c.dtype == np.float32
    expected = base + (2 * c / (1 + c)) * ((a + b) / 2)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    exact = merge("model-stock", *(x.astype(float) for x in (base, ours, theirs)), filter_wise=True, clamp=False)
    default = merge("model-stock", base, ours, theirs, filter_wise=True, clamp=False)
    assert np.abs(default - exact).mean() < np.abs(found - exact).mean()


def test_model_stock_of_opposing_changes_is_base(merge: Merge, versions: Versions) -> None:
    base, ours, _ = versions
    close(merge("model-stock", base, ours, base - 0.9 * (ours - base)), base)


def test_model_stock_does_not_depend_on_the_size_of_changes(merge: Merge, versions: Versions) -> None:
    base = np.zeros(64)
    ours, theirs = np.ones(64), np.linspace(0.5, 1.5, 64)
    close(merge("model-stock", base, ours * 1e-9, theirs * 1e-9) * 1e9, merge("model-stock", base, ours, theirs))


def test_nearswap_moves_by_at_most_t(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    merged = merge("nearswap", base, ours, theirs, t=0.05)
    far = np.abs(ours - theirs) > 0.05
    close(merged[~far], theirs[~far])
    close(merged[far], (ours + 0.05 * np.sign(theirs - ours))[far])


def test_arcee_fusion_takes_what_stands_out(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions

    def softmax(x: Array) -> Array:
        powers = np.exp(x - x.max(-1, keepdims=True))
        return np.asarray(powers / powers.sum(-1, keepdims=True) + 1e-8)

    p, q = softmax(theirs), softmax(ours)
    importance = np.abs(theirs - ours) * (p * np.log(p / q)).sum(-1, keepdims=True)
    ordered = np.sort(importance.ravel())
    low, middle, high = (ordered[int(share * (ordered.size - 1))] for share in (0.25, 0.5, 0.75))
    taken = importance >= middle + 1.5 * (high - low)
    assert 0 < taken.sum() < taken.size
    close(merge("arcee-fusion", base, ours, theirs), np.where(taken, theirs, ours))


# lines


def test_lines_scales_by_depth(merge: Merge, versions: Versions) -> None:
    from torch import from_numpy

    from strategies.apply import merged
    from strategies.contract import Context
    from strategies.given_options import parse_options
    from strategies.registry import strategy
    from strategies.survey import surveyed

    chosen = strategy("task-arithmetic")
    options = parse_options(chosen, {"lines": True, "lines_alpha": 0.2, "lines_beta": 0.6})
    names = ["embed.weight", *(f"encoder.layer.{i}.fc.weight" for i in range(5)), "vision.layer.0.fc.weight"]
    base, ours, theirs = map(from_numpy, versions)
    statistics = surveyed(chosen, options, lambda: [(Context(name), base, [ours, theirs]) for name in names])
    factors = [0.2, 0.2, 0.35, 0.5, 0.65, 0.8, 0.2]
    for name, factor in zip(names, factors, strict=True):
        result = merged(chosen, base, [ours, theirs], options, Context(name, statistics=statistics))
        close(result.numpy(), versions[0] + factor * deltas_of(versions).sum(0))


def test_lines_finds_alpha_from_l1_norms(merge: Merge, versions: Versions) -> None:
    d = deltas_of(versions)
    largest = np.take_along_axis(d, np.abs(d).argmax(0)[None], 0)[0]
    alpha = np.abs(d.sum(0)).sum() / np.abs(largest).sum() / 2
    close(merge("magmax", *versions, lines=True), versions[0] + alpha * largest)
