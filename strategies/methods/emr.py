"""emr: the largest change among those that have the sign of the mean (EMR-Merging's unified task vector)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import always
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The elected sign times the largest magnitude among the changes that have it."""
    import torch

    sign = torch.where(sum(deltas[1:], deltas[0]) > 0, 1.0, -1.0).to(deltas[0].dtype)
    largest = torch.zeros_like(sign)
    for change in deltas:
        largest = torch.maximum(largest, change * sign)
    return largest.mul_(sign)


STRATEGY = task_vector_strategy(
    delta,
    name="emr",
    summary="elect a sign by the mean change, take the largest change that has it",
    formula="g = +1 where mean d_i > 0 else -1; R = B + scale * g max |d_i| over sides with sign g",
    when="like magmax, with contradictions settled by majority; the merged model of EMR without its masks",
    reference="Huang et al. 2024, EMR-Merging, arXiv:2405.17461",
    elementwise=always,
    symmetric=True,
)
