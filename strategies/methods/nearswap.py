"""nearswap: move ours towards theirs, by at most a fixed step."""

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
    """Theirs where the sides differ by no more than ``t``, else ours moved by ``t`` towards theirs."""
    ours, theirs = sides
    share = (options["t"] / (ours - theirs).abs().clamp_(min=options["floor"])).clamp_(max=1)
    return theirs.mul(share).add_(ours.mul(1 - share))


STRATEGY = Strategy(
    name="nearswap",
    summary="move our values towards theirs, by at most t each",
    formula="q = min(1, t / |X_1 - X_2|); R = q X_2 + (1 - q) X_1",
    when="a hint of theirs in ours, without letting any value move far",
    reference="mergekit (no paper)",
    merge=merge,
    options=(
        Option("t", "float", 1e-4, "largest step, in the units of the values", "(0, inf)"),
        Option("floor", "float", 1e-6, "least difference divided by", "(0, inf)"),
    ),
    sides=(2, 2),
    ignores_base=always,
    elementwise=always,
)
