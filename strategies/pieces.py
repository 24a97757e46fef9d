"""Elementwise work, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 7 * 4096
"""Elements of an elementwise merge computed at a time: everything between reading and writing stays in cache, and torch
does not start its own threads (it does from 32768), whose barriers cost a busy machine far more than they gain. Work on
several groups at once instead; everything here may be called from several threads."""


def in_pieces(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function(*tensors)`` for an elementwise function of tensors of equal shape; the dtype is the first one's."""
    flat = [tensor.reshape(-1) for tensor in tensors]
    result = torch.empty_like(flat[0])
    for start in range(0, len(result), PIECE):
        result[start : start + PIECE] = function(*(tensor[start : start + PIECE] for tensor in flat))
    return result.reshape(tensors[0].shape)
