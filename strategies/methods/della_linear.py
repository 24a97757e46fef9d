"""della-linear: drop a random part of every change, small values more often than large ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.shared_options import NORMALIZE
from strategies.shared_options import RANK_SPREAD
from strategies.shared_options import SEED
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import no_cancelling_weights
from strategies.shared_options import probabilities_in_range
from strategies.shared_options import rescale
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The weighted sum of changes thinned by rank."""
    from strategies.draws import della
    from strategies.election import summed

    return summed(deltas, della(deltas, options, context), options)


STRATEGY = task_vector_strategy(
    delta,
    name="della-linear",
    summary="drop changes at random, small ones more often, rescale the rest, add up",
    formula=(
        "s_i = d_i / p with probability p else 0, p from density - epsilon (smallest of its row) to density "
        "+ epsilon; R = B + scale * sum w_i s_i"
    ),
    when="as dare-linear, where large changes matter more than small ones",
    reference="Deep et al. 2024, DELLA-Merging, arXiv:2406.11617",
    options=(
        WEIGHTS,
        density(0.5, "mean probability of keeping a value's change"),
        RANK_SPREAD,
        replace(NORMALIZE, default=False),
        rescale("unbiased", "l1", "none"),
        SEED,
    ),
    check=lambda options: no_cancelling_weights(options) or probabilities_in_range(options),
    seeded=True,
    symmetric=False,
    cost="ranks every row: about ten passes over the values",
)
