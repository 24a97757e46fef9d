"""fisher: each value counts as much as its side's Fisher information says it matters there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Pass
from strategies.contract import Strategy
from strategies.contract import always
from strategies.messages import side_name
from strategies.option import Option
from strategies.shared_options import POSITIVE_WEIGHTS
from strategies.shared_options import no_cancelling_weights

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """Sum of ``a_i F_i X_i`` over sum of ``a_i F_i``, elementwise; the weighted mean where no side has information."""
    import torch

    from strategies.election import weighted_sum

    fishers = _fishers(sides, context)
    scales = _scales(fishers, options, context)
    floor = options["floor"] * (_mean(fishers) if options["relative"] else 1.0)
    if floor:
        floored = [options["favor"] == "none" or side == 0 for side in context.sides]
        fishers = [fisher.clamp(min=floor) if low else fisher for fisher, low in zip(fishers, floored, strict=True)]
    # Shares of at most 1: Fisher information is tiny, and its products would underflow float32.
    unit = max(scale * fisher.max().item() for scale, fisher in zip(scales, fishers, strict=True)) or 1.0
    total, mass = torch.zeros_like(sides[0]), torch.zeros_like(sides[0])
    for side, fisher, scale in zip(sides, fishers, scales, strict=True):
        share = fisher * (scale / unit)
        total.addcmul_(share, side)
        mass.add_(share)
    plain = weighted_sum(sides, options["weights"], normalize=True)
    return torch.where(mass > 0, total.div_(mass), plain)


def _fishers(sides: Sequence[Tensor], context: Context) -> list[Tensor]:
    """The Fisher of each side in the compute dtype; :class:`CannotMerge` where one is missing or unfit."""
    found: list[Tensor] = []
    for i, side in enumerate(sides):
        fisher = context.side_data[i] if context.side_data else None
        if fisher is None:
            raise CannotMerge(context.group, f"no Fisher information for {side_name(context.sides[i])}; {HOW}")
        if fisher.numel() != side.numel():
            shapes = f"{list(fisher.shape)} for values of shape {list(side.shape)}"
            raise CannotMerge(context.group, f"Fisher information of shape {shapes}")
        wide = fisher.to(side.dtype).reshape(side.shape)
        if not bool((wide >= 0).all()) or math.isinf(wide.max().item()):
            raise CannotMerge(context.group, "Fisher information holds negative, NaN or infinite values")
        found.append(wide)
    return found


HOW = "make it with strategies.side_data.diagonal_fisher and save it beside the checkpoint as NAME.fisher.safetensors"


def _mean(fishers: Sequence[Tensor]) -> float:
    from strategies.reductions import total

    return sum(map(total, fishers)) / sum(fisher.numel() for fisher in fishers)


def _scales(fishers: Sequence[Tensor], options: Options, context: Context) -> list[float]:
    """``a_i``: the weight of each side over the norm of its Fisher."""
    from strategies.reductions import norm

    norms = [1.0] * len(fishers)
    if options["normalize"] == "tensor":
        norms = [norm(fisher) for fisher in fishers]
    if options["normalize"] == "model":
        if "fisher_norms" not in context.statistics:
            raise CannotMerge(context.group, "normalize=model needs the Fisher norms of the whole model (a survey)")
        norms = [context.statistics["fisher_norms"][side] for side in context.sides]
    return [weight / norm if norm > 0 else 0.0 for weight, norm in zip(options["weights"], norms, strict=True)]


def survey(options: Options) -> tuple[Pass, ...]:
    """The norms of whole models, where those are asked for."""
    return (Pass(_summary, _combine),) if options["normalize"] == "model" else ()


def _summary(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> list[float]:
    """Sum of squares of each side's Fisher in this group."""
    from strategies.reductions import dot

    return [dot(fisher, fisher) for fisher in _fishers(sides, context)]


def _combine(summaries: Mapping[str, Any], options: Options, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Norm of each side's Fisher over the model."""
    return {"fisher_norms": [math.sqrt(math.fsum(squares)) for squares in zip(*summaries.values(), strict=True)]}


STRATEGY = Strategy(
    name="fisher",
    summary="mean weighted by each side's diagonal Fisher information",
    formula="R = sum a_i F_i X_i / sum a_i F_i elementwise, a_i = w_i / |F_i|; the plain mean where every F_i is 0",
    when="the training data (or a sample) of each side is at hand, so that its Fisher information can be estimated",
    reference="Matena & Raffel 2022, Merging Models with Fisher-Weighted Averaging, arXiv:2111.09832",
    merge=merge,
    ignores_base=always,
    options=(
        POSITIVE_WEIGHTS,
        Option(
            "normalize",
            "choice",
            "none",
            "norm that each side's Fisher is divided by",
            choices=("none", "tensor", "model"),
        ),
        Option("floor", "float", 1e-6, "least Fisher information of a value", "[0, inf)", aliases=("epsilon",)),
        Option("relative", "bool", True, "the floor is a share of the group's mean Fisher, not an absolute number"),
        Option("favor", "choice", "none", "who gets the floor: every side, or ours alone", choices=("none", "ours")),
    ),
    symmetric=True,
    check=no_cancelling_weights,
    side_data="fisher",
    survey=survey,
)
