"""The first passes over a whole model, for strategies that weigh or trim across groups."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from strategies.apply import compute_dtype
from strategies.apply import seen
from strategies.apply import widened
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Pass
from strategies.contract import Strategy
from strategies.given_options import options_of_sides

Versions = tuple[Context, Tensor | None, Sequence[Tensor]]
"""one group: its context, base and every side, unchanged ones too"""


def surveyed(strategy: Strategy, options: Options, groups: Callable[[], Iterable[Versions]]) -> Mapping[str, Any]:
    """What belongs in ``context.statistics`` of every group; empty if the strategy needs nothing.

    ``groups`` starts one pass over the model: every group to be merged, whole, in any order. It is called as often
    as ``strategy.survey(options)`` has passes, so groups may be read from disk again instead of being held.
    """
    statistics: dict[str, Any] = {}
    for look in strategy.survey(options):
        summaries = {
            context.group: _summary(look, strategy, options, replace(context, statistics=statistics), base, sides)
            for context, base, sides in groups()
            if sides[0].is_floating_point() and sides[0].numel()
        }
        if not summaries:
            break
        statistics = {**statistics, **look.combine(summaries, options, statistics)}
    return statistics


def _summary(
    look: Pass, strategy: Strategy, options: Options, context: Context, base: Tensor | None, sides: Sequence[Tensor]
) -> Any:
    everyone = tuple(range(len(sides)))
    narrowed = options_of_sides(strategy, options, everyone, len(sides))
    context, precision = replace(context, sides=everyone), compute_dtype(base, sides)
    context = replace(context, seen=seen(strategy, base, sides, narrowed, context))
    start = None if base is None or strategy.ignores_base(narrowed) else widened(base, precision, options, context)
    wide = [widened(side, precision, options, context) for side in sides]
    try:
        return look.summary(start, wide, narrowed, context)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise CannotMerge(context.group, f"strategy {strategy.name!r}: {error}") from error
