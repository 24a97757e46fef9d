"""magmax: for every value, the largest change wins."""

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
    """The change of largest magnitude; of equal magnitudes the later side's."""
    import torch

    largest = deltas[0]
    for change in deltas[1:]:
        largest = torch.where(change.abs() >= largest.abs(), change, largest)
    return largest


STRATEGY = task_vector_strategy(
    delta,
    name="magmax",
    summary="for every value take the largest change of any side",
    formula="R = B + scale * d_j with j = argmax |d_i|, elementwise; of equal magnitudes the later side's",
    when=(
        "sequential or overlapping fine-tunes where the side that moved a value most knows best (the paper: scale 0.5)"
    ),
    reference="Marczak et al. 2024, MagMax, arXiv:2407.06322",
    elementwise=always,
)
