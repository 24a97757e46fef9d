"""iso-c: the summed change with all its singular values made equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.shared_options import FLATTEN
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The summed change with every singular value replaced by their mean."""
    from strategies.matrices import on_matrices

    return on_matrices(_merged, deltas, options)


def _merged(deltas: Sequence[Tensor], options: Options) -> Tensor:
    from strategies.matrices import thin_svd

    left, values, right = thin_svd(sum(deltas[1:], deltas[0]))
    return left @ right * (values.sum() / min(deltas[0].shape))


STRATEGY = task_vector_strategy(
    delta,
    name="iso-c",
    summary="add the changes up and make all singular values of the sum equal",
    formula="sum d_i = U s V; R = B + scale * mean(s) U V",
    when="many sides; scale is searched, around 1.0 to 1.5",
    reference="Marczak et al. 2025, No Task Left Behind, arXiv:2502.04959",
    options=(FLATTEN,),
    cost="one singular value decomposition per matrix",
    sides=(2, None),
    symmetric=True,
)
