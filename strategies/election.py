"""How several sparsified changes become one: a weighted sum, or only what agrees with the elected sign."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from strategies.contract import Options
from strategies.sparsification import rescaled

_SMALLEST = 2.0**-149
"""of positive float32 numbers"""


def summed(deltas: Sequence[Tensor], kept: Sequence[Tensor], options: Options) -> Tensor:
    """The weighted sum of sparsified changes, each first rescaled to its L1 norm if the options say so."""
    return weighted_sum(_rescaled(deltas, kept, options), options["weights"], options["normalize"])


def agreed(deltas: Sequence[Tensor], kept: Sequence[Tensor], options: Options, of_zero: float = 1.0) -> Tensor:
    """What sparsified changes agree on in sign, each first rescaled to its L1 norm if the options say so."""
    weights: Sequence[float] = options["weights"]
    kept = _rescaled(deltas, kept, options)
    weighted = _weighted(kept, weights)
    sign = elected_sign(weighted if options["elect"] == "weighted" else kept, of_zero)
    return elected_sum(weighted, weights, sign, options["normalize"], signed=options["divisor"] == "signed")


def votes(kept: Sequence[Tensor], options: Options) -> Sequence[Tensor]:
    """The changes as they count in the election."""
    return _weighted(kept, options["weights"]) if options["elect"] == "weighted" else kept


def _weighted(changes: Sequence[Tensor], weights: Sequence[float]) -> list[Tensor]:
    return [change if weight == 1 else change * weight for change, weight in zip(changes, weights, strict=True)]


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


def elected_sign(votes: Sequence[Tensor], of_zero: float = 1.0) -> Tensor:
    """+1 where the sum is above zero, -1 where it is below, ``of_zero`` where it is zero."""
    # torch.where would be ten times slower
    return sum(votes[1:], votes[0]).sign().add_(of_zero / 2).sign_()


def elected_sum(
    weighted: Sequence[Tensor],
    weights: Sequence[float],
    sign: Tensor,
    normalize: bool,
    floor: float = 0.0,
    signed: bool = False,
) -> Tensor:
    """The sum of the weighted changes that have the elected sign; zeros agree with nobody.

    With ``normalize`` it is divided by the sum of ``|w_i|`` over those sides, which is at least ``floor``; with
    ``signed`` by the sum of ``w_i``, which amplifies as soon as one of them is negative.
    """
    total, *agreeing = [(change * sign).clamp_(min=0) for change in weighted]
    counts = weights if signed else [abs(weight) for weight in weights]
    mass = total.sign().mul_(counts[0]) if normalize else None
    for change, count in zip(agreeing, counts[1:], strict=True):
        total.add_(change)
        if mass is not None:
            mass.add_(change.sign_(), alpha=count)
    if mass is not None and signed:
        total.div_(mass.masked_fill_(mass == 0, 1.0))
    elif mass is not None:
        # where nobody agrees the total is 0, whatever it is divided by
        least = min(filter(None, map(abs, weights)), default=1.0)
        total.div_(mass.clamp_(min=floor or max(least, _SMALLEST)))
    return total.mul_(sign)
