"""The ways of dropping a part of a change: by magnitude, at random, by rank, at both ends."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from strategies.pieces import Values
from strategies.reductions import l1_norm
from strategies.selection import Cut
from strategies.selection import cut
from strategies.selection import kept_count


def largest_share(magnitudes: Values, density: float) -> Cut:
    """Where the largest begin, ``density`` of all."""
    return cut(magnitudes, kept_count(density, magnitudes.count))


def inner_share(magnitudes: Values, density: float, gamma: float) -> tuple[Cut, Cut]:
    """Where the magnitudes begin of which ``density`` of all are kept, and where the ``gamma`` largest above them."""
    count = magnitudes.count
    kept, top = kept_count(density, count), int(gamma * count)
    low = max(0, count - kept - top)
    return cut(magnitudes, count - low), cut(magnitudes, count - low - kept)


def trimmed(change: Tensor, least: Cut, offset: int) -> Tensor:
    """The change with 0 for what lies below the cut; ``offset`` is the flat index of its first element."""
    flat, end = change.reshape(-1), max(0, least.end - offset)
    # hardshrink keeps what is larger than its argument
    parts = [(flat[:end], _next_below(least.limit, change.dtype)), (flat[end:], least.limit)]
    shrunk = [hardshrink(part, limit) for part, limit in parts if len(part)]
    return (shrunk[0] if len(shrunk) == 1 else torch.cat(shrunk)).reshape(change.shape)


def without_outliers(change: Tensor, least: Cut, outlier: Cut, offset: int) -> Tensor:
    """The change with 0 for what lies below the first cut, or not below the second."""
    return trimmed(change, least, offset).masked_fill_(trimmed(change, outlier, offset) != 0, 0.0)


def at_least(change: Tensor, limit: float) -> Tensor:
    """The change with 0 for magnitudes below ``limit``, compared in float32."""
    return torch.where(change.abs().float() >= limit, change, 0.0)


def _next_below(limit: float, dtype: torch.dtype) -> float:
    narrow = np.float64 if dtype == torch.float64 else np.float32
    return float(np.nextafter(narrow(limit), narrow(-math.inf)))


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
