"""average: the weighted mean of the sides (a model soup)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import always
from strategies.shared_options import NORMALIZE
from strategies.shared_options import WEIGHTS
from strategies.shared_options import no_cancelling_weights

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """Sum of ``w_i X_i``, divided by the sum of the weights if ``normalize``."""
    weights: tuple[float, ...] = options["weights"]
    divisor = sum(weights) if options["normalize"] else 1.0
    # In float64, which costs next to nothing here: values on which all sides agree then keep their bits.
    total = sides[0].double() * (weights[0] / divisor)
    for side, weight in zip(sides[1:], weights[1:], strict=True):
        total.add_(side, alpha=weight / divisor)
    return total.to(sides[0].dtype)


STRATEGY = Strategy(
    name="average",
    summary="weighted mean of the sides",
    formula="R = sum w_i X_i / sum w_i (with normalize=false: R = sum w_i X_i)",
    when="the sides are fine-tunes of one base that stayed close: the safe first try, and the baseline of all others",
    reference="Wortsman et al. 2022, Model soups, arXiv:2203.05482",
    merge=merge,
    options=(
        WEIGHTS,
        NORMALIZE,
    ),
    ignores_base=always,
    elementwise=always,
    check=no_cancelling_weights,
    symmetric=True,
)
