"""ties: trim small changes, elect a sign for every value, average the changes that agree."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from strategies.contract import Context
from strategies.contract import Look
from strategies.contract import Options
from strategies.contract import Pass
from strategies.option import Option
from strategies.shared_options import DIVISOR
from strategies.shared_options import ELECT
from strategies.shared_options import NORMALIZE
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import no_l1_norm
from strategies.shared_options import rescale
from strategies.shared_options import scope
from strategies.task_vectors import changes
from strategies.task_vectors import magnitudes
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.pieces import Whole
    from strategies.selection import Cut


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The mean of the trimmed changes that have the elected sign."""
    from strategies.election import agreed

    of_zero = context.statistics["majority"] if options["zero_sum"] == "majority" else 1.0
    return agreed(deltas, _trimmed(deltas, options, context), options, of_zero)


def _trimmed(deltas: Sequence[Tensor], options: Options, context: Context) -> Sequence[Tensor]:
    """The changes with 0 for all values that are not kept."""
    from strategies.sparsification import at_least
    from strategies.sparsification import trimmed

    if keeps_all(options):
        return deltas
    if options["scope"] == "model":
        limits = [context.statistics["trim"][side][0] for side in context.sides]
        return [at_least(change, limit) for change, limit in zip(deltas, limits, strict=True)]
    return [trimmed(change, cut, context.offset) for change, cut in zip(deltas, context.seen, strict=True)]


def keeps_all(options: Options) -> bool:
    """Whether nothing is trimmed."""
    shares = options["density"]
    return all(share >= 1 for share in (shares if isinstance(shares, tuple) else (shares,)))


def look(options: Options) -> Look | None:
    """With ``scope=tensor`` the trimming threshold of each side comes from all its changes in the group."""
    return None if options["scope"] == "model" or keeps_all(options) else _cuts


def _cuts(whole: Whole, options: Options, context: Context) -> list[Cut]:
    from strategies.sparsification import largest_share

    return [largest_share(magnitudes(whole, side), share) for side, share in enumerate(options["density"])]


def survey(options: Options) -> tuple[Pass, ...]:
    """With ``scope=model`` the trimming threshold of each side comes from all its changes together."""
    majority = (Pass(_signs, _majority),) if options["zero_sum"] == "majority" else ()
    if options["scope"] == "tensor" or keeps_all(options):
        return majority
    from strategies.model_quantiles import quantile_passes

    return (*quantile_passes("trim", _magnitudes, _threshold_rank), *majority)


def _signs(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> float:
    """How many more signs of a group are elected to be + than to be -."""
    from strategies.election import elected_sign
    from strategies.election import votes

    kept = _trimmed(changes(base, sides), options, context)
    return elected_sign(votes(kept, options), of_zero=0.0).double().sum().item()


def _majority(summaries: Mapping[str, Any], options: Options, before: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"majority": 1.0 if sum(summaries.values()) >= 0 else -1.0}


def _magnitudes(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Iterator[Tensor]:
    return (change.abs() for change in changes(base, sides))


def _threshold_rank(options: Options, side: int, count: int) -> tuple[int]:
    """The paper's (m - k)-th smallest magnitude, which keeps k + 1."""
    from strategies.selection import kept_count

    share = options["density"][side] if isinstance(options["density"], tuple) else options["density"]
    return (max(0, count - kept_count(share, count) - 1),)


STRATEGY = task_vector_strategy(
    delta,
    name="ties",
    summary="trim small changes, elect a sign, average the changes that agree with it",
    formula="R = B + scale * mean of those w_i s_i whose sign is that of sum w_i s_i, s_i = largest `density` of d_i",
    when="a safe default for a three-way merge: changes that contradict each other do not cancel to nothing",
    reference="Yadav et al. 2023, TIES-Merging, arXiv:2306.01708",
    options=(
        WEIGHTS,
        density(1.0, "share of each side's change that is kept, the largest magnitudes (the paper: 0.2)"),
        NORMALIZE,
        ELECT,
        Option(
            "zero_sum",
            "choice",
            "positive",
            "the sign elected where changes cancel: +, or the one that most values of the model have, as in the paper",
            choices=("positive", "majority"),
        ),
        DIVISOR,
        scope("trim each tensor, or the whole model at once as the paper does", "tensor", aliases=("trim",)),
        rescale("none", "l1"),
    ),
    elementwise=no_l1_norm,
    look=look,
    survey=survey,
    symmetric=True,
)
