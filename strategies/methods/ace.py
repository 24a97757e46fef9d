"""ace: RegMean without data, its input covariances estimated from the changes themselves (ACE-Merging)."""

from __future__ import annotations

import math
import statistics
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
    """The average of the changes weighted by input covariances that the changes themselves suggest."""
    from strategies.matrices import on_matrices

    return on_matrices(_merged, deltas, options)


def _merged(deltas: Sequence[Tensor], options: Options) -> Tensor:
    import torch

    moved = [each for each in deltas if each.any()]
    if not moved:
        return deltas[0]
    covariances = [_centred(each).T @ _centred(each) for each in moved]
    traces = [each.trace().item() for each in covariances]
    uneven = _unevenness(moved) > options["uneven"]
    divisors = [trace or 1.0 for trace in traces] if uneven else [1.0] * len(moved)
    covariances = [each / divisor for each, divisor in zip(covariances, divisors, strict=True)]
    width = len(covariances[0])
    units = [trace / width or 1.0 for trace in traces] if options["relative"] else [1.0] * len(moved)
    ridges = [options["epsilon"] * unit / divisor for unit, divisor in zip(units, divisors, strict=True)]
    identity = torch.eye(width, dtype=moved[0].dtype, device=moved[0].device)
    weights = [each + identity * ridge for each, ridge in zip(covariances, ridges, strict=True)]
    solution = _solution(moved, covariances, weights, options["centred"])
    return solution + _refinement(moved, covariances, weights, solution) if uneven else solution


def _centred(change: Tensor) -> Tensor:
    return change - change.mean(dim=0, keepdim=True)


def _unevenness(deltas: Sequence[Tensor]) -> float:
    """Variance of the logarithms of |d_i|^2 over their squared mean."""
    logs = [math.log(each.square().sum().item()) for each in deltas]
    return statistics.variance(logs) / max(statistics.fmean(logs) ** 2, 1e-12) if len(logs) > 1 else 0.0


def _solution(
    deltas: Sequence[Tensor], covariances: Sequence[Tensor], weights: Sequence[Tensor], centred: bool
) -> Tensor:
    """``(sum d_i W_i) (sum W_i + C)^-1``, C the column means of the summed covariances in every row."""
    import torch

    rows = [_centred(each) for each in deltas] if centred else deltas
    products = [each @ weight for each, weight in zip(rows, weights, strict=True)]
    prior = sum(covariances[1:], covariances[0]).mean(dim=0, keepdim=True)
    solved = torch.linalg.solve(sum(weights[1:], weights[0]) + prior, sum(products[1:], products[0]), left=False)
    return torch.as_tensor(solved)


def _refinement(
    deltas: Sequence[Tensor], covariances: Sequence[Tensor], weights: Sequence[Tensor], solution: Tensor
) -> Tensor:
    """The top 30 % directions of solution and residual, all with their mean singular value."""
    from strategies.matrices import thin_svd

    mean = sum(weights[1:], weights[0]) / len(weights)
    residuals = [each @ (covariance - mean) for each, covariance in zip(deltas, covariances, strict=True)]
    left, values, right = thin_svd(sum(residuals[1:], residuals[0]) + solution)
    top = max(1, int(0.3 * min(solution.shape)))
    return left[:, :top] @ right[:top] * (values[:top].sum() / top)


STRATEGY = task_vector_strategy(
    delta,
    name="ace",
    summary="average weighted by each side's input covariance, which its change since base gives away",
    formula=(
        "W_i = d_i'^T d_i' + epsilon I (d_i' = d_i minus column means); R = B + scale * (sum d_i W_i) (sum W_i + C)^-1"
    ),
    when="many sides of large linear layers and no data; sensitive to epsilon",
    reference="Xu et al. 2026, ACE-Merging, arXiv:2603.02945",
    options=(
        Option("epsilon", "float", 0.01, "ridge added to every covariance (the paper: 1e-5 to 4e-2)", "(0, inf)"),
        Option("relative", "bool", True, "epsilon is in units of each covariance's mean diagonal"),
        Option("uneven", "float", 0.3, "unevenness of the sides from which covariances are normalised", "[0, inf)"),
        Option("centred", "bool", False, "drop the mean rows of the changes, as the published code does"),
        FLATTEN,
    ),
    sides=(2, None),
    symmetric=True,
    cost="one linear system of the layer's inputs per matrix",
)
