"""take-theirs: their version, whatever we did."""

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
    """Theirs: the other side, or with several the last one named."""
    return sides[-1]


STRATEGY = Strategy(
    name="take-theirs",
    summary="take their version (the last one, if several are merged)",
    formula="R = X_n",
    when="theirs is known to be right for these groups",
    merge=merge,
    sides=(2, None),
    ignores_base=always,
    elementwise=always,
    selects="theirs",
    cost="none: no value is read",
)
