"""breadcrumbs-ties: drop both ends of every change, the outliers and the small values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.methods.breadcrumbs import inner
from strategies.methods.breadcrumbs import look
from strategies.shared_options import DIVISOR
from strategies.shared_options import ELECT
from strategies.shared_options import NORMALIZE
from strategies.shared_options import OUTLIERS
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import no_l1_norm
from strategies.shared_options import rescale
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """What changes without outliers and small values agree on in sign."""
    from strategies.election import agreed

    return agreed(deltas, inner(deltas, context), options)


STRATEGY = task_vector_strategy(
    delta,
    name="breadcrumbs-ties",
    summary="drop the largest and the smallest changes, then elect signs and add up what agrees",
    formula=(
        "s_i = d_i without its gamma largest magnitudes, `density` kept below them; R = B + scale * sum of "
        "the w_i s_i of the elected sign"
    ),
    when="like breadcrumbs, where the sides also contradict each other",
    reference="Davari & Belilovsky 2023, Model Breadcrumbs, arXiv:2312.06795",
    options=(
        WEIGHTS,
        density(0.9, "share of each side's change that is kept (1 keeps all, outliers too)"),
        OUTLIERS,
        replace(NORMALIZE, default=False),
        ELECT,
        DIVISOR,
        rescale("none", "l1"),
    ),
    elementwise=no_l1_norm,
    look=look,
    symmetric=True,
    cost="two selections per side",
)
