"""dare-linear: drop a random part of every change and rescale what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.shared_options import NORMALIZE
from strategies.shared_options import SEED
from strategies.shared_options import WEIGHTS
from strategies.shared_options import density
from strategies.shared_options import no_cancelling_weights
from strategies.shared_options import no_l1_norm
from strategies.shared_options import rescale
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The weighted sum of randomly thinned changes."""
    from strategies.draws import dare
    from strategies.election import summed

    return summed(deltas, dare(deltas, options, context), options)


STRATEGY = task_vector_strategy(
    delta,
    name="dare-linear",
    summary="drop changes at random, rescale the rest, add up",
    formula="s_i = d_i with probability density else 0, times 1/density; R = B + scale * sum of w_i s_i",
    when="fine-tunes with many tiny redundant changes; density 0.1 to 0.5, from few percent on",
    reference="Yu et al. 2024, Language Models are Super Mario (DARE), arXiv:2311.03099",
    options=(
        WEIGHTS,
        density(0.5, "probability of keeping each value's change"),
        replace(NORMALIZE, default=False),
        rescale("unbiased", "l1", "none"),
        SEED,
    ),
    elementwise=no_l1_norm,
    check=no_cancelling_weights,
    seeded=True,
    symmetric=False,
)
