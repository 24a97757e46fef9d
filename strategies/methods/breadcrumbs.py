"""breadcrumbs: drop both ends of every change, the outliers and the small values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Look
from strategies.contract import Options
from strategies.shared_options import NORMALIZE
from strategies.shared_options import OUTLIERS
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import no_cancelling_weights
from strategies.shared_options import no_l1_norm
from strategies.shared_options import rescale
from strategies.task_vectors import magnitudes
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.pieces import Whole
    from strategies.selection import Cut


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The weighted sum of changes without outliers and small values."""
    from strategies.election import summed

    return summed(deltas, inner(deltas, context), options)


def inner(deltas: Sequence[Tensor], context: Context) -> list[Tensor]:
    """Each change without its outliers and small values, between the thresholds that :func:`look` found."""
    from strategies.sparsification import without_outliers

    return [
        without_outliers(change, least, outlier, context.offset)
        for change, (least, outlier) in zip(deltas, context.seen, strict=True)
    ]


def look(options: Options) -> Look:
    """Both thresholds of each side come from all its changes in the group."""
    return _cuts


def _cuts(whole: Whole, options: Options, context: Context) -> list[tuple[Cut, Cut]]:
    from strategies.sparsification import inner_share

    shares = enumerate(zip(options["density"], options["gamma"], strict=True))
    return [inner_share(magnitudes(whole, side), *share) for side, share in shares]


STRATEGY = task_vector_strategy(
    delta,
    name="breadcrumbs",
    summary="drop the largest and the smallest changes, add up the rest",
    formula="s_i = d_i without its gamma largest magnitudes, `density` kept below them; R = B + scale * sum of w_i s_i",
    when="a few extreme changes spoil the sum; many sides",
    reference="Davari & Belilovsky 2023, Model Breadcrumbs, arXiv:2312.06795",
    options=(
        WEIGHTS,
        density(0.9, "share of each side's change that is kept (1 keeps all, outliers too)"),
        OUTLIERS,
        replace(NORMALIZE, default=False),
        rescale("none", "l1"),
    ),
    check=no_cancelling_weights,
    elementwise=no_l1_norm,
    look=look,
    symmetric=True,
    cost="two selections per side",
)
