"""The ways of dropping a part of a change: by magnitude, at random, by rank, at both ends."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.reductions import l1_norm
from strategies.selection import kept_count
from strategies.selection import largest


def largest_share(change: Tensor, density: float) -> Tensor:
    """A mask of the largest magnitudes, ``density`` of all."""
    return largest(change.abs(), kept_count(density, change.numel()))


def at_least(change: Tensor, limit: float) -> Tensor:
    """A mask of the magnitudes of ``limit`` and more, compared in float32."""
    return change.abs().float() >= limit


def without_outliers(change: Tensor, density: float, gamma: float) -> Tensor:
    """The change without its ``gamma`` largest magnitudes, and ``density`` of all elements kept below them."""
    count = change.numel()
    kept, top = kept_count(density, count), int(gamma * count)
    low = max(0, count - kept - top)
    magnitude = change.abs()
    inside = largest(magnitude, count - low) & ~largest(magnitude, count - low - kept)
    return torch.where(inside, change, 0.0)


def dropped_at_random(change: Tensor, density: float, draws: Tensor, unbiased: bool) -> Tensor:
    """Every element kept with probability ``density``; divided by it if ``unbiased``."""
    sparse = torch.where(draws < density, change, 0.0)
    return sparse.div_(density) if unbiased and density > 0 else sparse


def dropped_by_rank(change: Tensor, density: float, epsilon: float, draws: Tensor, unbiased: bool) -> Tensor:
    """Elements kept with a probability that grows with their rank in their row; divided by it if ``unbiased``."""
    probability = rank_probability(change, density, epsilon)
    sparse = torch.where(draws < probability, change, 0.0)
    return sparse.div_(probability) if unbiased else sparse


def rank_probability(change: Tensor, density: float, epsilon: float) -> Tensor:
    """``density - epsilon + 2 epsilon r / (c - 1)`` for rank ``r`` (by magnitude, from 0) in a row of ``c``.

    Rows are those of the matrix (first axis, all others); a 1-d tensor is one row; a row of one gets ``density``.
    """
    rows = change.reshape(change.shape[0], -1) if change.ndim > 1 else change.reshape(1, -1)
    width = rows.shape[1]
    if width == 1:
        return torch.full_like(change, density)
    order = rows.abs().argsort(dim=1, stable=True)
    steps = torch.arange(width, dtype=rows.dtype, device=rows.device) * (2 * epsilon / (width - 1)) + (
        density - epsilon
    )
    return torch.empty_like(rows).scatter_(1, order, steps.expand_as(rows)).reshape(change.shape)


def rescaled(sparse: Tensor, change: Tensor) -> Tensor:
    """The sparse change times the factor that gives it the L1 norm of the whole change."""
    left = l1_norm(sparse)
    return sparse * (l1_norm(change) / left) if left > 0 else sparse
