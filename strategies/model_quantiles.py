"""Exact order statistics over all groups of a model, in two passes and little memory.

A float32 read as an integer keeps its order, so the first pass counts the upper 16 bits of every value, which
names the bin a wanted rank falls into, and the second counts the lower 16 bits inside that bin.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Pass

if TYPE_CHECKING:
    from torch import Tensor

Values = Callable[["Tensor | None", "Sequence[Tensor]", Options, Context], "Iterable[Tensor]"]
"""for one group, a tensor of each side whose elements are ranked over the model"""
Ranks = Callable[[Options, int, int], Sequence[int]]
"""from options, side and number of elements of the model to the wanted positions in ascending order, from 0"""

_Keys = np.ndarray[Any, np.dtype[np.uint32]]
_Counts = dict[int, int]


def quantile_passes(name: str, values: Values, ranks: Ranks) -> tuple[Pass, Pass]:
    """Two passes that put under ``name``, for each side, the values at its ranks, rounded to float32."""

    def count_upper(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Any:
        return [_histogram(_keys(tensor) >> 16) for tensor in values(base, sides, options, context)]

    def find_bins(summaries: Mapping[str, Any], options: Options, before: Mapping[str, Any]) -> Mapping[str, Any]:
        sides = [_added(histograms) for histograms in zip(*summaries.values(), strict=True)]
        wanted = [ranks(options, side, sum(counts.values())) for side, counts in enumerate(sides)]
        found = [[_located(counts, rank) for rank in each] for counts, each in zip(sides, wanted, strict=True)]
        return {f"{name} bins": found}

    def count_lower(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Any:
        found = context.statistics[f"{name} bins"]
        keys = map(_keys, values(base, sides, options, context))
        return [[_within(key, upper) for upper, _ in each] for key, each in zip(keys, found, strict=True)]

    def find_values(summaries: Mapping[str, Any], options: Options, before: Mapping[str, Any]) -> Mapping[str, Any]:
        found = []
        for side, bins in enumerate(before[f"{name} bins"]):
            counts = [_added(group[side][i] for group in summaries.values()) for i in range(len(bins))]
            lower = [_located(each, rank)[0] for each, (_, rank) in zip(counts, bins, strict=True)]
            found.append([_value((upper << 16) + low) for (upper, _), low in zip(bins, lower, strict=True)])
        return {name: found}

    return Pass(count_upper, find_bins), Pass(count_lower, find_values)


def _keys(tensor: Tensor) -> _Keys:
    """Unsigned integers in the order of the values."""
    bits = tensor.detach().reshape(-1).cpu().float().numpy().view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _value(key: int) -> float:
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))


def _histogram(small: np.ndarray[Any, Any]) -> _Counts:
    counts = np.bincount(small, minlength=1)
    occupied = np.flatnonzero(counts)
    return dict(zip(occupied.tolist(), counts[occupied].tolist(), strict=True))


def _within(keys: _Keys, upper: int) -> _Counts:
    return _histogram(keys[keys >> 16 == upper] & 0xFFFF)


def _added(histograms: Iterable[_Counts]) -> _Counts:
    total: _Counts = {}
    for counts in histograms:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _located(counts: _Counts, rank: int) -> tuple[int, int]:
    """The bin that holds this rank, and the rank inside the bin."""
    for key in sorted(counts):
        if rank < counts[key]:
            return key, rank
        rank -= counts[key]
    raise IndexError("rank beyond the number of values")
