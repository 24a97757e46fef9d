"""Sums, inner products and norms in float64 that do not depend on the number of threads.

A plain ``sum()`` splits the work by threads, so its last bits change with their number. Here the pieces are fixed,
and their sums are added exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 4096
_PIECE = 7 * _BLOCK


def total(values: Tensor) -> float:
    """The sum of all elements."""
    return math.fsum(part for (piece,) in _pieces(values) for part in _block_sums(piece))


def dot(a: Tensor, b: Tensor) -> float:
    """The inner product of two tensors of equal shape, flattened."""
    return math.fsum(part for x, y in _pieces(a, b) for part in _block_sums(x * y))


def norm(values: Tensor) -> float:
    """The L2 norm of the flattened tensor."""
    return math.sqrt(dot(values, values))


def l1_norm(values: Tensor) -> float:
    """The sum of the magnitudes."""
    return math.fsum(part for (piece,) in _pieces(values) for part in _block_sums(piece.abs()))


def row_dots(a: Tensor, b: Tensor) -> Tensor:
    """The inner products of the slices along the last axis, which keeps length 1; float64."""
    if a.numel() == a.shape[-1]:
        return torch.full((*a.shape[:-1], 1), dot(a, b), dtype=torch.float64, device=a.device)
    return (a.double() * b.double()).sum(dim=-1, keepdim=True)


def row_norms(values: Tensor) -> Tensor:
    """The L2 norms of the slices along the last axis, which keeps length 1; float64."""
    return row_dots(values, values).sqrt_()


def rounded_row_dots(a: Tensor, b: Tensor) -> Tensor:
    """As :func:`row_dots`, but summed in the dtype of the slices, up to its rounding."""
    return (a * b).sum(dim=-1, keepdim=True)


def rounded_row_norms(values: Tensor) -> Tensor:
    """As :func:`row_norms`, but summed in the dtype of the slices, up to its rounding."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
    return norms


def _pieces(*tensors: Tensor) -> Iterator[list[Tensor]]:
    flat = [tensor.reshape(-1) for tensor in tensors]
    for start in range(0, flat[0].numel(), _PIECE):
        yield [tensor[start : start + _PIECE].to(torch.float64) for tensor in flat]


def _block_sums(piece: Tensor) -> list[float]:
    whole = piece.numel() // _BLOCK * _BLOCK
    sums: list[float] = piece[:whole].view(-1, _BLOCK).sum(dim=1).tolist()
    return [*sums, piece[whole:].sum().item()]
