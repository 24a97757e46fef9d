"""ramplus: ram, with the changes that one side alone made amplified."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Pass
from strategies.option import Option
from strategies.shared_options import CHANGED
from strategies.shared_options import scope
from strategies.task_vectors import changes
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """Each value's mean change over the sides that changed it, lone changes times the side's factor."""
    from strategies.overlap import overlap_counts
    from strategies.overlap import overlap_mean

    if options["scope"] == "model":
        counts = [context.statistics["overlap"][side] for side in context.sides]
    else:
        counts = overlap_counts(deltas, options["epsilon"])
    factors = [_factor(unique, shared, options) for unique, shared in counts]
    return overlap_mean(deltas, factors, options["epsilon"])


def _factor(unique: int, shared: int, options: Options) -> float:
    return 1.0 + float(options["r"]) * min(shared / max(unique, 1), float(options["alpha"]))


def survey(options: Options) -> tuple[Pass, ...]:
    """How many values each side changed alone and together with others, over the model."""
    return (Pass(_counts, _total),) if options["scope"] == "model" else ()


def _counts(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> list[tuple[int, int]]:
    from strategies.overlap import overlap_counts

    return overlap_counts(changes(base, sides), options["epsilon"])


def _total(summaries: Mapping[str, Any], options: Options, before: Mapping[str, Any]) -> Mapping[str, Any]:
    sides = zip(*summaries.values(), strict=True)
    return {"overlap": [tuple(map(sum, zip(*side, strict=True))) for side in sides]}


STRATEGY = task_vector_strategy(
    delta,
    name="ramplus",
    summary="as ram, and amplify what one side alone changed to make up for what averaging costs it",
    formula="as ram, lone changes times 1 + r * min(shared_i / max(unique_i, 1), alpha), counted over the model",
    when="sides whose changes overlap a lot and lose too much in ram's average",
    reference="RAM+, Reinforced Agent Merging, arXiv:2601.13572",
    options=(
        CHANGED,
        Option("r", "float", 0.1, "how strongly lone changes are amplified", "[0, inf)"),
        Option("alpha", "float", 0.2, "largest ratio of shared to lone changes that counts", "[0, inf)"),
        scope("count changes over the whole model as the paper does, or in each tensor (ramplus_tl)", "model"),
    ),
    elementwise=lambda options: options["scope"] == "model",
    survey=survey,
    symmetric=True,
)
