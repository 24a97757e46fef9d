"""The first passes over a whole model, for strategies that weigh or trim across groups."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import options_of_sides

Versions = tuple[Context, Tensor | None, Sequence[Tensor]]
"""one group: its context, base and every side, unchanged ones too"""


def surveyed(strategy: Strategy, options: Options, groups: Callable[[], Iterable[Versions]]) -> Any:
    """What belongs in ``context.statistics`` of every group, or None if the strategy needs nothing.

    ``groups`` starts one pass over the model: every floating-point group to be merged, in any order, whole. It is
    called once per round, so groups may be read from disk again instead of being held.
    """
    statistics = None
    for _ in range(rounds(strategy, options)):
        assert strategy.survey is not None
        summaries = {
            context.group: _summary(strategy, base, sides, options, replace(context, statistics=statistics))
            for context, base, sides in groups()
            if sides[0].is_floating_point()
        }
        statistics = strategy.survey.combine(summaries, options, statistics)
    return statistics


def _summary(
    strategy: Strategy, base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context
) -> Any:
    assert strategy.survey is not None
    everyone = tuple(range(len(sides)))
    narrowed = options_of_sides(strategy, options, everyone, len(sides))
    precision = torch.float64 if any(side.dtype == torch.float64 for side in sides) else torch.float32
    wide = None if base is None else base.to(precision)
    return strategy.survey.summary(
        wide, [side.to(precision) for side in sides], narrowed, replace(context, sides=everyone)
    )


def rounds(strategy: Strategy, options: Options) -> int:
    """How many passes over the model the strategy needs before it can merge a group under these options."""
    return strategy.survey.rounds(options) if strategy.survey else 0
