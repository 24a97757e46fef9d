"""passthrough: one side, multiplied by a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import always
from strategies.option import Option

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """``scale * X_1``."""
    return sides[0] if options["scale"] == 1 else sides[0] * options["scale"]


STRATEGY = Strategy(
    name="passthrough",
    summary="the only side, multiplied by a number",
    formula="R = scale * X_1",
    when="recipes that take some groups from one model as they are, or rescaled",
    merge=merge,
    options=(Option("scale", "float", 1.0, "factor on the values"),),
    sides=(1, 1),
    ignores_base=always,
    elementwise=always,
    symmetric=True,
)
