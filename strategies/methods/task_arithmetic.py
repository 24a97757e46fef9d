"""task-arithmetic: add up the changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import always
from strategies.shared_options import NORMALIZE
from strategies.shared_options import WEIGHTS
from strategies.shared_options import no_cancelling_weights
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The weighted sum of the changes."""
    from strategies.election import weighted_sum

    return weighted_sum(deltas, options["weights"], options["normalize"])


STRATEGY = task_vector_strategy(
    delta,
    name="task-arithmetic",
    summary="add the weighted changes of all sides to base",
    formula="R = B + scale * sum w_i d_i, d_i = X_i - B",
    when="the sides learned different things in different places; with several sides, scale around 0.3 to 0.5",
    reference="Ilharco et al. 2023, Editing Models with Task Arithmetic, arXiv:2212.04089",
    options=(WEIGHTS, replace(NORMALIZE, default=False)),
    elementwise=always,
    check=no_cancelling_weights,
    symmetric=True,
)
