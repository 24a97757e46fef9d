"""karcher: the point on the sphere whose squared angles to all sides are least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.option import Option
from strategies.shared_options import DELTAS
from strategies.shared_options import POSITIVE_WEIGHTS
from strategies.shared_options import no_cancelling_weights
from strategies.shared_options import without_deltas

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The Karcher mean of the directions, at the weighted mean length."""
    from strategies.spherical import around_base

    return around_base(base, sides, options, lambda ends: _karcher_mean(ends, options, context))


def _karcher_mean(vectors: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    from strategies.reductions import norm

    total = sum(options["weights"])
    weights: list[float] = [weight / total for weight in options["weights"]]
    lengths = [norm(vector) for vector in vectors]
    length = sum(weight * each for weight, each in zip(weights, lengths, strict=True))
    directed = [i for i, each in enumerate(lengths) if each > 0 and weights[i] > 0]
    if not directed:
        return vectors[0] * 0.0
    units = [vectors[i].double() / lengths[i] for i in directed]
    direction = _direction(units, [weights[i] for i in directed], options, context)
    return direction.mul_(length).to(vectors[0].dtype)


def _direction(units: Sequence[Tensor], weights: Sequence[float], options: Options, context: Context) -> Tensor:
    from strategies.election import weighted_sum
    from strategies.reductions import norm

    direction = weighted_sum(units, weights, normalize=True)
    size = norm(direction)
    direction = units[0].clone() if size < options["tol"] else direction / size
    for _ in range(options["max_iter"]):
        arcs = [_arc(direction, unit, options["tol"]) for unit in units]
        if any(arc is None for arc in arcs):
            return _undefined(units[0], context)
        tangent = weighted_sum([arc for arc in arcs if arc is not None], weights, normalize=True)
        step = norm(tangent)
        if step < options["tol"]:
            break
        direction = direction * math.cos(step) + tangent * (math.sin(step) / step)
        direction /= norm(direction)
    return direction


def _undefined(first: Tensor, context: Context) -> Tensor:
    context.remark(context.group, "opposite directions have no Karcher mean, so the first side's is taken")
    return first.clone()


def _arc(start: Tensor, end: Tensor, tolerance: float) -> Tensor | None:
    """The tangent at ``start`` that leads to ``end``; None if they are opposite, so that every direction does."""
    from strategies.reductions import dot
    from strategies.spherical import angle

    theta = angle(start, end)
    if theta < tolerance:
        return start * 0.0
    if math.pi - theta < 1e-7:
        return None
    return (end - dot(start, end) * start) * (theta / math.sin(theta))


STRATEGY = Strategy(
    name="karcher",
    summary="Karcher (Riemannian) mean of the sides' directions, at their mean length",
    formula="u = argmin over unit vectors of sum w_i angle(u, u_i)^2, by iterated tangent means; R = u sum w_i |X_i|",
    when="any number of models that lie far apart: slerp for more than two",
    reference="arXiv:2603.04972",
    merge=merge,
    ignores_base=without_deltas,
    options=(
        POSITIVE_WEIGHTS,
        Option("max_iter", "int", 10, "most steps", "[1, 10000]"),
        Option("tol", "float", 1e-5, "length of a step at which to stop", "(0, 1)"),
        DELTAS,
    ),
    check=no_cancelling_weights,
    symmetric=True,
    cost="one pass per step and side, in float64",
)
