"""Random numbers that depend on seed, group, side and position alone: not on order, threads or slices."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from strategies.contract import Context
from strategies.contract import Options
from strategies.sparsification import dropped_at_random
from strategies.sparsification import dropped_by_rank

_PER_COUNTER = 8
"""32-bit draws in one Philox block of four 64-bit words"""


def uniforms(seed: int, context: Context, index: int, like: Tensor) -> Tensor:
    """One float32 in [0, 1) for each element of ``like``, on its device, in multiples of 2**-24.

    ``index`` is the position among the sides given; the draw is keyed by the side it stands for, and element ``p``
    of the group always gets draw ``p``.
    """
    words = _words(_key(seed, context.group, context.sides[index]), context.offset, like.numel())
    draws = (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
    return torch.from_numpy(draws).reshape(like.shape).to(like.device)


def dare(deltas: Sequence[Tensor], options: Options, context: Context) -> list[Tensor]:
    """Every change thinned at random with its side's density."""
    unbiased = options["rescale"] == "unbiased"
    return [
        dropped_at_random(change, density, uniforms(options["seed"], context, i, change), unbiased)
        for i, (change, density) in enumerate(zip(deltas, options["density"], strict=True))
    ]


def della(deltas: Sequence[Tensor], options: Options, context: Context) -> list[Tensor]:
    """Every change thinned at random, by the rank of its magnitudes in their row."""
    unbiased = options["rescale"] == "unbiased"
    spreads = zip(deltas, options["density"], options["epsilon"], strict=True)
    return [
        dropped_by_rank(change, density, epsilon, uniforms(options["seed"], context, i, change), unbiased)
        for i, (change, density, epsilon) in enumerate(spreads)
    ]


def _key(seed: int, group: str, side: int) -> int:
    text = f"{seed}\n{side}\n{group}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "little")


def _words(key: int, start: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    first = start // _PER_COUNTER
    blocks = -(-(start + count) // _PER_COUNTER) - first
    raw = np.random.Philox(key=key, counter=first).random_raw(blocks * _PER_COUNTER // 2)
    skipped = start - first * _PER_COUNTER
    return raw.astype("<u8", copy=False).view("<u4")[skipped : skipped + count]
