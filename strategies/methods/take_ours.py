"""take-ours: our version, whatever the others did."""

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
    """Ours."""
    return sides[0]


STRATEGY = Strategy(
    name="take-ours",
    summary="keep our version",
    formula="R = X_1",
    when="ours is known to be right for these groups",
    merge=merge,
    ignores_base=always,
    elementwise=always,
    selects="ours",
    cost="none: no value is read",
)
