"""arcee-fusion: take theirs only where the change is important."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import always

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """Theirs where the importance lies above the upper quartile by 1.5 quartile ranges and more, else ours."""
    import torch

    from strategies.selection import order_statistic

    ours, theirs = sides
    importance = _importance(ours, theirs)
    last = importance.numel() - 1
    lower, middle, upper = (order_statistic(importance, int(share * last)) for share in (0.25, 0.5, 0.75))
    return torch.where(importance >= middle + 1.5 * (upper - lower), theirs, ours)


def _importance(ours: Tensor, theirs: Tensor) -> Tensor:
    """``|C - A| KL(softmax C || softmax A)`` along the last axis; in float64, since the divergence cancels."""
    a, c = ours.double(), theirs.double()
    p, q = c.softmax(dim=-1) + 1e-8, a.softmax(dim=-1) + 1e-8
    return (c - a).abs_() * (p * (p / q).log()).sum(dim=-1, keepdim=True)


STRATEGY = Strategy(
    name="arcee-fusion",
    summary="take theirs only where its change is unusually important",
    formula=(
        "importance = |X_2 - X_1| KL(softmax X_2 || softmax X_1) by rows; R = X_2 where it is >= q50 + 1.5 "
        "(q75 - q25), else X_1"
    ),
    when="to take over only the most prominent changes of theirs",
    reference="mergekit (no paper)",
    merge=merge,
    ignores_base=always,
    sides=(2, 2),
    cost="a softmax in float64 and three selections",
)
