from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from strategies.apply import merged
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.given_options import parse_options
from strategies.model_quantiles import quantile_passes
from strategies.registry import strategy
from strategies.survey import surveyed

Model = dict[str, tuple[Tensor, Tensor, Tensor]]


@pytest.fixture
def model() -> Model:
    """Three groups whose changes have very different sizes."""
    random = torch.Generator().manual_seed(0)
    found = {}
    for i, size in enumerate((1.0, 0.1, 3.0)):
        base = torch.randn((10, 7 + i), generator=random)
        changes = [size * torch.randn(base.shape, generator=random) for _ in range(2)]
        found[f"layer.{i}.weight"] = (base, base + changes[0], base + changes[1])
    return found


def whole(model: Model, name: str, **given: Any) -> dict[str, Tensor]:
    chosen = strategy(name)
    options = parse_options(chosen, given)
    statistics = surveyed(chosen, options, lambda: [(Context(group), v[0], v[1:]) for group, v in model.items()])
    return {
        group: merged(chosen, v[0], v[1:], options, Context(group, statistics=statistics)) for group, v in model.items()
    }


def flat(tensors: Sequence[Tensor]) -> np.ndarray[Any, Any]:
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).numpy()


def test_ties_trims_the_whole_model_as_the_paper(model: Model) -> None:
    base = flat([v[0] for v in model.values()])
    ours, theirs = (flat([v[i] for v in model.values()]) - base for i in (1, 2))
    kept = []
    for change in (ours, theirs):
        limit = np.sort(np.abs(change))[change.size - int(0.3 * change.size) - 1]
        kept.append(np.where(np.abs(change) >= limit, change, 0))
    sign = np.where(kept[0] + kept[1] >= 0, 1, -1)
    agree = [np.sign(each) == sign for each in kept]
    expected = base + (kept[0] * agree[0] + kept[1] * agree[1]) / np.maximum(agree[0].astype(int) + agree[1], 1)
    result = flat(list(whole(model, "ties", density=0.3, scope="model").values()))
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_ramplus_counts_over_the_model(model: Model) -> None:
    for base, ours, theirs in model.values():
        ours[:5], theirs[7:] = base[:5], base[7:]
    unique = sum(3 * v[0].shape[1] for v in model.values()), sum(5 * v[0].shape[1] for v in model.values())
    shared = sum(2 * v[0].shape[1] for v in model.values())
    factors = [1 + 0.1 * min(shared / each, 0.6) for each in unique]
    for group, result in whole(model, "ramplus", alpha=0.6).items():
        base, ours, theirs = model[group]
        torch.testing.assert_close(result[:5], base[:5] + factors[1] * (theirs[:5] - base[:5]))
        torch.testing.assert_close(result[7:], base[7:] + factors[0] * (ours[7:] - base[7:]))


def test_what_needs_no_survey_reads_nothing(model: Model) -> None:
    chosen = strategy("ties")

    def never() -> Any:
        raise AssertionError("a pass over the model was made")

    assert surveyed(chosen, parse_options(chosen, {"scope": "model"}), never) == {}


def test_groups_that_are_not_floats_are_left_out(model: Model) -> None:
    chosen = strategy("ramplus")
    steps = torch.tensor([1, 2])
    groups = [(Context("steps"), steps, [steps, steps + 1])]
    assert surveyed(chosen, parse_options(chosen, {}), lambda: groups) == {}


def test_nan_is_refused_in_the_first_pass(model: Model) -> None:
    model["layer.1.weight"][2][0, 0] = float("nan")
    with pytest.raises(CannotMerge, match=r"layer\.1\.weight"):
        whole(model, "pcb")


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_ranks_over_a_model_are_exact(scale: float) -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(size=5000), np.zeros(500), -np.zeros(5), [1e-42] * 3]).astype(np.float32)
    values *= np.float32(scale)
    ordered = np.sort(values)
    ranks = [0, 1, 1000, 2750, 2760, 4000, len(values) - 1]
    passes = quantile_passes("q", lambda base, sides, options, context: sides, lambda options, side, count: ranks)
    groups = {f"g{i}": torch.from_numpy(part) for i, part in enumerate(np.array_split(values, 7))}
    statistics: dict[str, Any] = {}
    for each in passes:
        found = {name: each.summary(None, [g], {}, Context(name, statistics=statistics)) for name, g in groups.items()}
        statistics = {**statistics, **each.combine(found, {}, statistics)}
    assert statistics["q"] == [[float(ordered[rank]) for rank in ranks]]


def test_a_factor_beyond_float32_is_refused_as_too_large() -> None:
    chosen = strategy("task-arithmetic")
    options = parse_options(chosen, {"lines": True, "normalize": True})
    base, sides = torch.zeros(2), (torch.tensor([1e30, 4.0]), torch.tensor([-1e30, 1e-10]))
    statistics = {"lines": {"alpha": 1e60, "depths": {}}}
    with pytest.raises(CannotMerge, match="too large"):
        merged(chosen, base, sides, options, Context("w", statistics=statistics))
