"""della: drop a random part of every change, small values more often than large ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.shared_options import DIVISOR
from strategies.shared_options import ELECT
from strategies.shared_options import NORMALIZE
from strategies.shared_options import RANK_SPREAD
from strategies.shared_options import SEED
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import probabilities_in_range
from strategies.shared_options import rescale
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """What changes thinned by rank agree on in sign."""
    from strategies.draws import della
    from strategies.election import agreed

    return agreed(deltas, della(deltas, options, context), options)


STRATEGY = task_vector_strategy(
    delta,
    name="della",
    summary="drop changes at random, small ones more often, rescale the rest, elect signs and average what agrees",
    formula=(
        "s_i = d_i / p with probability p else 0, p from density - epsilon (smallest of its row) to density "
        "+ epsilon; R = B + scale * mean of the w_i s_i of the elected sign"
    ),
    when="several fine-tunes that contradict each other; the published form of DELLA",
    reference="Deep et al. 2024, DELLA-Merging, arXiv:2406.11617",
    options=(
        WEIGHTS,
        density(0.5, "mean probability of keeping a value's change"),
        RANK_SPREAD,
        NORMALIZE,
        ELECT,
        DIVISOR,
        rescale("unbiased", "l1", "none"),
        SEED,
    ),
    check=probabilities_in_range,
    seeded=True,
    symmetric=False,
    cost="ranks every row: about ten passes over the values",
)
