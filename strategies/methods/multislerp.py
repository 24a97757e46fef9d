"""multislerp: the weighted mean of many directions, at the mean length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.option import Option
from strategies.shared_options import DELTAS
from strategies.shared_options import NORMALIZE
from strategies.shared_options import WEIGHTS
from strategies.shared_options import no_cancelling_weights
from strategies.shared_options import without_deltas

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """One tangent step on the sphere from the mean direction, at the weighted mean length."""
    from strategies.spherical import around_base

    if len(sides) == 1:
        return sides[0].clone()
    return around_base(base, sides, options, lambda ends: _step(ends, options, context))


def _step(vectors: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    from strategies.election import weighted_sum
    from strategies.reductions import dot
    from strategies.reductions import norm

    total = sum(options["weights"]) if options["normalize"] else 1.0
    weights: list[float] = [weight / total for weight in options["weights"]]
    lengths = [norm(vector) for vector in vectors]
    units = [vector.double() / (length or 1.0) for vector, length in zip(vectors, lengths, strict=True)]
    mean = weighted_sum(units, weights, normalize=False)
    size = norm(mean)
    if size < 1e-8:
        return _without_direction(vectors, weights, context)
    mean /= size
    tangent = weighted_sum([unit - dot(unit, mean) * mean for unit in units], weights, normalize=False)
    step = norm(tangent) + options["epsilon"]
    length = sum(weight * each for weight, each in zip(weights, lengths, strict=True))
    arrived = mean.mul_(length * math.cos(step)).add_(tangent, alpha=length * math.sin(step) / step)
    return arrived.to(vectors[0].dtype)


def _without_direction(vectors: Sequence[Tensor], weights: Sequence[float], context: Context) -> Tensor:
    """The straight blend of two opposite sides; more than two cannot be merged."""
    from strategies.election import weighted_sum

    if len(vectors) > 2:
        raise CannotMerge(context.group, "the sides' directions cancel out, which leaves multislerp none to go along")
    return weighted_sum(vectors, weights, normalize=False)


STRATEGY = Strategy(
    name="multislerp",
    summary="mean direction of any number of sides at their mean length, by default of the changes",
    formula=(
        "m = direction of sum w_i u_i, T = sum w_i (u_i - <u_i, m> m); R = B + (m cos |T| + T sin|T| / |T|) "
        "sum w_i |d_i|"
    ),
    when="several fine-tunes whose average change comes out too short because their directions differ",
    reference="Goddard, multislerp (blog, no paper)",
    merge=merge,
    ignores_base=without_deltas,
    options=(
        WEIGHTS,
        NORMALIZE,
        Option("epsilon", "float", 1e-8, "added to the length of the tangent", "(0, 1e-3]", aliases=("eps",)),
        replace(DELTAS, default=True),
    ),
    check=no_cancelling_weights,
    symmetric=True,
    cost="a few passes over the values in float64",
)
