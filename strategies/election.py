"""How several sparsified changes become one: a weighted sum, or only what agrees with the elected sign."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.contract import Options
from strategies.sparsification import rescaled


def summed(deltas: Sequence[Tensor], kept: Sequence[Tensor], options: Options) -> Tensor:
    """The weighted sum of sparsified changes, each first rescaled to its L1 norm if the options say so."""
    return weighted_sum(_rescaled(deltas, kept, options), options["weights"], options["normalize"])


def agreed(deltas: Sequence[Tensor], kept: Sequence[Tensor], options: Options) -> Tensor:
    """What sparsified changes agree on in sign, each first rescaled to its L1 norm if the options say so."""
    weights: Sequence[float] = options["weights"]
    kept = _rescaled(deltas, kept, options)
    votes = weights if options["elect"] == "weighted" else [1.0] * len(weights)
    return elected_sum(kept, weights, elected_sign(kept, votes), options["normalize"])


def _rescaled(deltas: Sequence[Tensor], kept: Sequence[Tensor], options: Options) -> Sequence[Tensor]:
    if options["rescale"] != "l1":
        return kept
    return [rescaled(sparse, change) for sparse, change in zip(kept, deltas, strict=True)]


def weighted_sum(changes: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """``sum w_i s_i``, over ``sum w_i`` if ``normalize``."""
    divisor = sum(weights) if normalize else 1.0
    total = changes[0] * (weights[0] / divisor)
    for change, weight in zip(changes[1:], weights[1:], strict=True):
        total.add_(change, alpha=weight / divisor)
    return total


def elected_sign(changes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """+1 where the weighted sum is zero or more, else -1."""
    votes = weighted_sum(changes, weights, normalize=False)
    return torch.where(votes >= 0, 1.0, -1.0).to(votes.dtype)


def elected_sum(
    changes: Sequence[Tensor], weights: Sequence[float], sign: Tensor, normalize: bool, floor: float = 0.0
) -> Tensor:
    """``sum w_i s_i`` over the sides whose weighted change has the elected sign; zeros agree with nobody.

    With ``normalize`` it is divided by the sum of ``|w_i|`` over those sides: a signed sum would amplify as soon as
    one weight is negative. That divisor is at least ``floor``.
    """
    total, mass = torch.zeros_like(sign), torch.zeros_like(sign)
    for change, weight in zip(changes, weights, strict=True):
        agreeing = (change * sign).mul_(weight).clamp_(min=0)
        total.add_(agreeing)
        if normalize:
            mass.add_(agreeing > 0, alpha=abs(weight))
    if normalize:
        total.div_(mass.clamp_(min=floor) if floor else mass.masked_fill_(mass == 0, 1.0))
    return total.mul_(sign)
