"""pcb: values compete within their side and between sides (PCB-Merging)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Pass
from strategies.option import Option
from strategies.shared_options import scope
from strategies.task_vectors import changes
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 0.0001
"""share of magnitudes at each end that is pulled in"""


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The changes without extremes, averaged with each value's parameter competition balance as weight."""
    import torch

    magnitudes = _magnitude_ranges(deltas, options, context)
    scores = _scores(deltas, magnitudes)
    total, mass = torch.zeros_like(deltas[0]), torch.zeros_like(deltas[0])
    for i, (change, score) in enumerate(zip(deltas, scores, strict=True)):
        balance = _stretched(score, *_score_range(score, i, options, context))
        total.add_(change.sign() * change.abs().clamp(*magnitudes[i]) * balance)
        mass.add_(balance)
    return total.div_(mass.clamp_(min=1e-12))


def _scores(deltas: Sequence[Tensor], magnitudes: Sequence[tuple[float, float]]) -> list[Tensor]:
    """``exp(n minmax(a)^2) tanh(d_i sum d)``, a the clamped magnitudes."""
    total = sum(deltas[1:], deltas[0])
    return [
        (change * total).tanh_() * (_stretched(change.abs(), *ends).square_() * len(deltas)).exp_()
        for change, ends in zip(deltas, magnitudes, strict=True)
    ]


def _stretched(values: Tensor, low: float, high: float) -> Tensor:
    """Values clamped to a range and mapped to [0, 1]; all 1 where the range is empty."""
    if not high > low:
        return values * 0.0 + 1.0
    return values.clamp(low, high).sub_(low).div_(high - low)


def _magnitude_ranges(deltas: Sequence[Tensor], options: Options, context: Context) -> list[tuple[float, float]]:
    if options["scope"] == "model":
        return [context.statistics["magnitudes"][side] for side in context.sides]
    return [_range(change.abs(), _magnitude_ranks(options, i, change.numel())) for i, change in enumerate(deltas)]


def _score_range(score: Tensor, index: int, options: Options, context: Context) -> tuple[float, float]:
    if options["scope"] == "model":
        low, high = context.statistics["scores"][context.sides[index]]
        return low, high
    return _range(score, _score_ranks(options, index, score.numel()))


def _range(values: Tensor, ranks: tuple[int, int]) -> tuple[float, float]:
    from strategies.selection import order_statistic

    return order_statistic(values, ranks[0]), order_statistic(values, ranks[1])


def _magnitude_ranks(options: Options, side: int, count: int) -> tuple[int, int]:
    return int(count * TAIL), max(0, int(count * (1 - TAIL)) - 1)


def _score_ranks(options: Options, side: int, count: int) -> tuple[int, int]:
    return min(int(count * (1 - options["ratio"])), count - 1), count - 1


def survey(options: Options) -> tuple[Pass, ...]:
    """The ranges of each side's magnitudes, then of its scores, over the model."""
    if options["scope"] == "tensor":
        return ()
    from strategies.model_quantiles import quantile_passes

    return (
        *quantile_passes("magnitudes", _all_magnitudes, _magnitude_ranks),
        *quantile_passes("scores", _all_scores, _score_ranks),
    )


def _all_magnitudes(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> list[Tensor]:
    return [change.abs() for change in changes(base, sides)]


def _all_scores(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> list[Tensor]:
    found: list[Any] = context.statistics["magnitudes"]
    return _scores(changes(base, sides), found)


STRATEGY = task_vector_strategy(
    delta,
    name="pcb",
    summary="weigh every value by how large it is within its side and how well it agrees with the others",
    formula=(
        "s_i = minmax of exp(n minmax|d_i|^2) tanh(d_i sum d) above its 1 - ratio quantile; R = B + scale * "
        "sum s_i d_i / sum s_i"
    ),
    when="several sides and a model small enough for five passes; scale is searched, around 1.2",
    reference="Du et al. 2024, Parameter Competition Balancing, arXiv:2410.02396",
    options=(
        Option("ratio", "float", 0.1, "share of each side's values that compete (the paper: 0.05 to 0.2)", "(0, 1]"),
        scope("rank values over the whole model as the paper does, or in each tensor", "model"),
    ),
    survey=survey,
    symmetric=True,
    cost="five passes over the model, or selections in each tensor",
)
