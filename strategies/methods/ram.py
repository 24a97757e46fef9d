"""ram: sum what one side changed, average what several did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import always
from strategies.shared_options import CHANGED
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """Each value's mean change over the sides that changed it."""
    from strategies.overlap import overlap_mean

    return overlap_mean(deltas, [1.0] * len(deltas), options["epsilon"])


STRATEGY = task_vector_strategy(
    delta,
    name="ram",
    summary="take what one side changed as it is, average what several sides changed",
    formula="R = B + scale * (sum of d_i over the c sides with |d_i| > epsilon) / c",
    when="a safe default for a three-way merge: nothing is diluted by sides that did not touch a value",
    reference="RAM, Reinforced Agent Merging, arXiv:2601.13572",
    options=(CHANGED,),
    elementwise=always,
    symmetric=True,
)
