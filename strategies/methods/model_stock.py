"""model-stock: between base and the mean of the sides, as far as the angle between changes says."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.option import Option
from strategies.shared_options import ANGLES
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST = 2.0**-126
"""product of norms that is divided by, in float32 too"""


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The mean change, shortened by the ratio that the mean cosine between changes gives."""
    from strategies.election import weighted_sum

    mean = weighted_sum(deltas, [1.0] * len(deltas), normalize=True)
    return mean * _ratio(deltas, options).to(mean.dtype)


def _ratio(deltas: Sequence[Tensor], options: Options) -> Tensor:
    """``t = n c / (1 + (n - 1) c)`` for the mean cosine c over pairs, of the tensor or of each of its rows."""
    count, cosine = len(deltas), _mean_cosine(deltas, options)
    if options["clamp"]:
        cosine = cosine.clamp(min=0)
    return count * cosine / (1 + (count - 1) * cosine)


def _mean_cosine(deltas: Sequence[Tensor], options: Options) -> Tensor:
    from strategies.reductions import rounded_row_dots
    from strategies.reductions import rounded_row_norms
    from strategies.reductions import row_dots
    from strategies.reductions import row_norms

    exact = options["angles"] == "float64"
    dots, lengths = (row_dots, row_norms) if exact else (rounded_row_dots, rounded_row_norms)
    by_row = options["filter_wise"] and deltas[0].ndim > 1
    rows = [change if by_row else change.reshape(1, -1) for change in deltas]
    norms = [lengths(each) for each in rows]
    cosines = [
        dots(rows[i], rows[j]) / (norms[i] * norms[j]).clamp(min=options["floor"] or _SMALLEST)
        for i, j in itertools.combinations(range(len(rows)), 2)
    ]
    mean: Tensor = sum(cosines[1:], cosines[0]) / len(cosines)
    return mean if by_row else mean.reshape(())


STRATEGY = task_vector_strategy(
    delta,
    name="model-stock",
    summary="between base and the average, the closer to base the less the changes agree in direction",
    formula="c = mean cosine over pairs of d_i; t = n c / (1 + (n-1) c), 0 where c < 0; R = B + scale * t * mean d_i",
    when="several runs of one task from one base (other seeds, other data order); not for different tasks",
    reference="Jang et al. 2024, Model Stock, arXiv:2403.19522",
    options=(
        Option("filter_wise", "bool", False, "one ratio per row instead of per tensor"),
        Option("clamp", "bool", True, "stay between base and average; false: the formula as it is, unbounded"),
        Option("floor", "float", 0.0, "least product of norms divided by (mergekit: 1e-6)", "[0, inf)"),
        ANGLES,
    ),
    sides=(2, None),
    symmetric=True,
    cost="one pass per pair of sides, in float64",
)
