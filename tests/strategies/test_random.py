"""The strategies that draw random numbers, by their statistics (never by their draws)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from strategies.apply import merged
from strategies.contract import BadOption
from strategies.contract import Context
from strategies.draws import uniforms
from strategies.given_options import parse_options
from strategies.registry import strategy

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]

DRAWS = 400
SHAPE = (20, 30)
BASE = np.zeros(SHAPE)
CHANGE = np.random.default_rng(11).normal(size=SHAPE)
ONE_SIDE = ["dare-linear", "della-linear"]


@pytest.fixture(scope="module", params=ONE_SIDE)
def name(request: pytest.FixtureRequest) -> str:
    """Each family, with one side and no election: the result is keep * factor * change."""
    return str(request.param)


def results(name: str, **options: Any) -> Array:
    """The changes that DRAWS seeds keep, [draw, row, column]."""
    chosen = strategy(name)
    base, side = torch.from_numpy(BASE), torch.from_numpy(CHANGE)
    parsed = [parse_options(chosen, {"seed": seed, **options}) for seed in range(DRAWS)]
    return np.stack([merged(chosen, base, [side], each, Context("g")).numpy() for each in parsed])


def probabilities(name: str, density: float) -> Array:
    """How often each value must be kept, from the specification."""
    if name == "dare-linear":
        return np.full(SHAPE, density)
    rank = np.abs(CHANGE).argsort(axis=1).argsort(axis=1)
    return np.asarray(density - 0.15 + 0.3 * rank / (SHAPE[1] - 1))


@pytest.mark.parametrize("density", [0.3, 0.7])
def test_values_are_kept_as_often_as_they_should(name: str, density: float) -> None:
    p = probabilities(name, density)
    counts = (results(name, density=density) != 0).sum(0)
    assert (np.abs(counts / DRAWS - p) <= 5 * np.sqrt(p * (1 - p) / DRAWS)).all()
    chi_square = ((counts - DRAWS * p) ** 2 / (DRAWS * p * (1 - p))).sum()
    assert abs(chi_square - p.size) < 5 * np.sqrt(2 * p.size)


def test_survivors_are_divided_by_their_probability(name: str) -> None:
    kept = results(name, density=0.4)
    expected = np.broadcast_to(CHANGE / probabilities(name, 0.4), kept.shape)
    np.testing.assert_allclose(kept[kept != 0], expected[kept != 0], rtol=1e-6)


def test_the_mean_over_seeds_is_the_change(name: str) -> None:
    p = probabilities(name, 0.4)
    bound = 5 * np.abs(CHANGE) * np.sqrt((1 - p) / (p * DRAWS))
    assert (np.abs(results(name, density=0.4).mean(0) - CHANGE) <= bound).all()


def test_l1_keeps_the_l1_norm_of_every_draw(name: str) -> None:
    sums = np.abs(results(name, density=0.4, rescale="l1")).sum(axis=(1, 2))
    np.testing.assert_allclose(sums, np.abs(CHANGE).sum(), rtol=1e-6)


def test_none_leaves_survivors_alone(name: str) -> None:
    kept = results(name, density=0.4, rescale="none")
    np.testing.assert_array_equal(kept[kept != 0], np.broadcast_to(CHANGE, kept.shape)[kept != 0])


def test_masks_of_different_values_are_independent(name: str) -> None:
    masks = (results(name, density=0.5) != 0).reshape(DRAWS, -1).astype(float)
    masks -= masks.mean(0)
    neighbours = (masks[:, 1:] * masks[:, :-1]).mean() / 0.25
    assert abs(neighbours) < 4 / np.sqrt(masks.size)
    draws = (masks[1:] * masks[:-1]).mean() / 0.25
    assert abs(draws) < 4 / np.sqrt(masks.size)


def draw(group: str = "g", side: int = 0, seed: int = 0, count: int = 100_000, offset: int = 0) -> Array:
    context = Context(group, offset=offset, sides=(side,))
    return uniforms(seed, context, 0, torch.empty(count)).numpy()


@pytest.mark.parametrize("other", [{"group": "h"}, {"side": 1}, {"seed": 1}, {"group": "g\n0"}])
def test_draws_differ_by_group_side_and_seed_and_are_independent(other: dict[str, Any]) -> None:
    a, b = draw() - 0.5, draw(**other) - 0.5
    assert abs((a * b).mean() * 12) < 4 / np.sqrt(a.size)


def test_draws_are_uniform() -> None:
    counts, _ = np.histogram(draw(count=1_000_000), bins=1000, range=(0, 1))
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert abs(chi_square - 999) < 5 * np.sqrt(2 * 999)
    assert draw().min() >= 0
    assert draw().max() < 1


@pytest.mark.parametrize(("offset", "count"), [(0, 1), (1, 7), (7, 2), (8, 8), (13, 50), (99_999, 1)])
def test_a_slice_sees_the_draws_of_its_place(offset: int, count: int) -> None:
    np.testing.assert_array_equal(draw(offset=offset, count=count), draw()[offset : offset + count])


def test_draws_are_the_same_on_every_machine() -> None:
    assert (draw(count=4) * 2**24).astype(int).tolist() == [6847136, 9893657, 7320015, 4080326]


@pytest.mark.parametrize("density", [0, 1])
def test_dare_with_density_0_and_1_is_not_random(merge: Merge, density: int) -> None:
    expected = BASE if density == 0 else CHANGE
    np.testing.assert_array_equal(merge("dare-linear", BASE, CHANGE, density=density), expected)


@pytest.mark.parametrize("shape", [(1,), (5, 1), (3, 4, 2)])
def test_della_merges_rows_of_any_length(
    merge: Merge, make_versions: Callable[..., tuple[Array, ...]], shape: tuple[int, ...]
) -> None:
    assert merge("della", *make_versions(shape)).shape == shape


def test_della_ranks_the_rows_of_the_flattened_matrix() -> None:
    from strategies.sparsification import rank_probability

    change = torch.tensor([[[1.0, -4.0], [3.0, 2.0]], [[-9.0, 8.0], [7.0, -6.0]]])
    expected = torch.tensor([[[0.4, 0.7], [0.6, 0.5]], [[0.7, 0.6], [0.5, 0.4]]])
    torch.testing.assert_close(rank_probability(change, 0.55, 0.15), expected)


@pytest.mark.parametrize(("density", "epsilon"), [(0.1, 0.15), (0.9, 0.15), (1, 0), (0.5, 0.5)])
def test_della_refuses_what_are_no_probabilities(merge: Merge, density: float, epsilon: float) -> None:
    with pytest.raises(BadOption, match=r"'della'.*density \+- epsilon in \(0, 1\)"):
        merge("della", BASE, CHANGE, density=density, epsilon=epsilon)


def test_a_side_keeps_its_draws_when_another_is_left_out() -> None:
    chosen = strategy("dare-linear")
    options = parse_options(chosen, {"seed": 3, "rescale": "none"})
    base, *sides = (torch.full((500,), value) for value in (0.0, 1.0, 100.0, 10.0))
    three = merged(chosen, base, sides, options, Context("g"))
    two = merged(chosen, base, [sides[0], base, sides[2]], options, Context("g"))
    assert 0 < int((two >= 10).sum()) < 500
    assert torch.equal(three % 100, two)
