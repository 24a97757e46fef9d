"""wudi: the change that interferes least with every side's (closed form of WUDI-Merging)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.option import Option
from strategies.shared_options import FLATTEN
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The change whose difference to each side's is least seen by that side's inputs."""
    from strategies.matrices import on_matrices

    return on_matrices(_merged, deltas, options)


def _merged(deltas: Sequence[Tensor], options: Options) -> Tensor:
    """``argmin_D sum |(D - d_i) d_i^T|^2 / |d_i|^2`` that is nearest to the sum.

    With k_i = d_i / |d_i| stacked to K the normal equations are (D - S) K^T K = C K, C = [(d_i - S) k_i^T]; K^T K and
    K K^T have the same pseudoinverse up to a factor K, so the smaller one is taken.
    """
    import torch

    from strategies.matrices import pseudoinverse
    from strategies.reductions import norm

    total = sum(deltas[1:], deltas[0])
    moved = [each for each in deltas if norm(each) > 0]
    if not moved:
        return total
    units = [each / norm(each) for each in moved]
    stacked = torch.cat(units)
    residual = torch.cat([(each - total) @ unit.T for each, unit in zip(moved, units, strict=True)], dim=1)
    if stacked.shape[0] <= stacked.shape[1]:
        return total + residual @ pseudoinverse(stacked @ stacked.T, options["tol"]) @ stacked
    return total + residual @ stacked @ pseudoinverse(stacked.T @ stacked, options["tol"])


STRATEGY = task_vector_strategy(
    delta,
    name="wudi",
    summary="the change that disturbs what each side learned least, in closed form",
    formula="D = argmin sum |(D - d_i) d_i^T|_F^2 / |d_i|^2 nearest to sum d_i; R = B + scale * D",
    when="the strongest first try without data, if the sides' changes are of about equal size (within a factor of 3)",
    reference="Cheng et al. 2025, Whoever Started the Interference Should End It (WUDI), arXiv:2503.08099",
    options=(
        Option("tol", "float", 1e-10, "share of the largest eigenvalue that counts as 0", "[0, 1)"),
        FLATTEN,
    ),
    cost="one eigendecomposition per matrix",
    sides=(2, None),
    symmetric=True,
)
