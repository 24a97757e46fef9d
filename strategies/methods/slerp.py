"""slerp: along the arc between two sides instead of the straight line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.option import Option
from strategies.shared_options import DELTAS
from strategies.shared_options import without_deltas

if TYPE_CHECKING:
    from torch import Tensor


STRAIGHT = 0.9995
"""cosine above which arc and line are taken as one"""


NEARLY_PARALLEL = (
    "the sides are nearly parallel (cosine above 0.9995), as fine-tunes of one base are, and slerp is then the "
    "straight line, a weighted average; with deltas=true it takes the arc between their changes"
)


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The point at ``t`` of the arc from ours to theirs; of the line where they are nearly parallel."""
    from strategies.spherical import around_base

    return around_base(base, sides, options, lambda ends: _arc(ends[0], ends[1], options, context))


def _arc(a: Tensor, b: Tensor, options: Options, context: Context) -> Tensor:
    from strategies.spherical import cosine

    t: float = options["t"]
    along = cosine(a, b)
    share_a, share_b = 1 - t, t
    if abs(along) <= STRAIGHT:
        theta = math.acos(along)
        share_a, share_b = (math.sin(share * theta) / math.sin(theta) for share in (1 - t, t))
    elif along > 0 and not options["deltas"]:
        context.remark(context.group, NEARLY_PARALLEL)
    return (a * share_a).add_(b, alpha=share_b)


STRATEGY = Strategy(
    name="slerp",
    summary="spherical interpolation between two sides",
    formula=(
        "R = (sin((1-t) th) X_1 + sin(t th) X_2) / sin th, th the angle between them; a straight line if "
        "|cos th| > 0.9995"
    ),
    when=(
        "two models that lie far apart. Fine-tunes of one base usually have cos th > 0.9995, where it is the "
        "plain average: then use deltas=true"
    ),
    reference="Shoemake 1985, Animating rotation with quaternion curves",
    merge=merge,
    ignores_base=without_deltas,
    options=(
        Option("t", "float", 0.5, "0 is ours, 1 is theirs, outside extrapolates"),
        DELTAS,
    ),
    sides=(2, 2),
    symmetric=True,
    cost="two passes over the values",
)
