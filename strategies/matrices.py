"""Singular value work on the changes of weight matrices, in float64."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.contract import Options

_ROUNDING = 1e-10
"""of float32 changes in float64 arithmetic, far below a singular value that means something"""

MatrixDelta = Callable[[Sequence[Tensor], Options], Tensor]
"""from changes as float64 matrices to the merged change"""


def on_matrices(delta: MatrixDelta, deltas: Sequence[Tensor], options: Options) -> Tensor:
    """``delta`` of the changes if they are matrices, else their mean.

    With ``flatten`` tensors of three and more axes count as matrices of (first axis, all others).
    """
    first = deltas[0]
    if first.ndim < 2 or (first.ndim > 2 and not options["flatten"]):
        return mean(deltas)
    matrices = [change.reshape(first.shape[0], -1).to(torch.float64) for change in deltas]
    return delta(matrices, options).reshape(first.shape).to(first.dtype)


def mean(deltas: Sequence[Tensor]) -> Tensor:
    """The plain mean."""
    return sum(deltas[1:], deltas[0]) / len(deltas)


def thin_svd(matrix: Tensor, of: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """``U, s, V^T`` without singular values of 0, whose vectors are arbitrary: other threads would give others.

    As 0 counts what is rounding beside the largest, or beside the norm of the matrix that this one is a part ``of``.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    kept = values > _ROUNDING * (values[:1] if of is None else of.norm())
    return left[:, kept], values[kept], right[kept]


def polar_factor(matrix: Tensor) -> Tensor:
    """The matrix with its singular values set to one: the nearest with orthonormal columns (or rows)."""
    left, _, right = thin_svd(matrix)
    return left @ right


def whitened_product(left: Sequence[Tensor], values: Tensor, right: Sequence[Tensor]) -> Tensor:
    """``U' diag(values) V'^T``: left vectors (columns) and right ones (rows), stacked and made orthonormal."""
    return polar_factor(torch.cat(tuple(left), dim=1)) * values @ polar_factor(torch.cat(tuple(right), dim=0))


def calibrated(change: Tensor, deltas: Sequence[Tensor], alpha: float | str) -> Tensor:
    """Singular value calibration of a merged change (SVC): each direction scaled by how much the sides agree on it.

    For direction r of D = U s V: b = U_r^T D, b_i = U_r^T d_i, q_i = <b, b_i> / |b_i|^2, s_r times
    n / sum max(alpha, q_i); alpha "auto" is 1 / n. Anything but a matrix is returned as it is. arXiv:2602.05536.
    """
    if change.ndim != 2:
        return change
    least = 1 / len(deltas) if isinstance(alpha, str) else alpha
    left, values, right = thin_svd(change.to(torch.float64))
    agreement = torch.zeros_like(values)
    for delta in deltas:
        rows = left.T @ delta.to(torch.float64)
        energy = rows.square().sum(dim=1)
        projected = values * (right * rows).sum(dim=1)
        agreed = torch.where(energy > 0, projected / energy.clamp(min=sys.float_info.min), 0.0)
        agreement += agreed.clamp(min=least)
    return (left * (values * len(deltas) / agreement) @ right).to(change.dtype)


def pseudoinverse(matrix: Tensor, tolerance: float) -> Tensor:
    """The pseudoinverse of a symmetric positive matrix; eigenvalues up to ``tolerance`` times the largest are 0."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > tolerance * values[-1]
    inverse: Tensor = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inverse
