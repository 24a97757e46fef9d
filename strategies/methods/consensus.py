"""consensus: keep the summed change where enough sides agree with it (TALL masks)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import always
from strategies.option import Option
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The sum of the changes where at least ``agreement`` sides call their part of it important."""
    import torch

    total = sum(deltas[1:], deltas[0])
    votes = torch.zeros_like(total)
    for change in deltas:
        votes.add_(change.abs() > options["threshold"] * (total - change).abs())
    return torch.where(votes >= options["agreement"], total, 0.0)


STRATEGY = task_vector_strategy(
    delta,
    name="consensus",
    summary="add the changes up, then drop values that matter to too few sides",
    formula="S = sum d_i; R = B + scale * S where |d_i| > threshold * |S - d_i| for at least `agreement` sides, else B",
    when="eight sides and more (agreement=2, scale around 0.3); with two sides agreement=2 deletes one-sided changes",
    reference="Wang et al. 2024, Localizing Task Information (TALL masks), arXiv:2405.07813",
    options=(
        Option("threshold", "float", 0.4, "how large a change must be beside the others' sum", "[0, inf)"),
        Option("agreement", "int", 1, "sides a value must matter to (the paper: 2)", "[1, inf)", aliases=("k",)),
    ),
    elementwise=always,
    symmetric=True,
)
