"""The k largest of many values, by selection instead of sorting, and without holding them all.

A sample tells between which two values the threshold lies, with near certainty; one pass counts what is below and keeps
what is between, a few per cent, and numpy's introselect finds it there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strategies.pieces import Values
from strategies.pieces import values_of

_SAMPLE = 1 << 16
"""values looked at before all of them are"""
_MARGIN = 4 * math.isqrt(_SAMPLE) // 2
"""ranks in the sample on either side of the wanted one: four standard deviations at the median, more elsewhere"""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the largest values begin; of equal ones those with the lower flat index come first."""

    limit: float
    """the smallest of them"""
    end: int
    """flat index from which values that equal the limit no longer belong to them"""

    def mask(self, values: Tensor) -> Tensor:
        """Which of all the values belong to them."""
        flat = values.reshape(-1)
        return torch.cat([flat[: self.end] >= self.limit, flat[self.end :] > self.limit]).reshape(values.shape)


def kept_count(density: float, elements: int) -> int:
    """How many of ``elements`` a density keeps: rounded down, but at least one unless the density is 0."""
    return max(int(density * elements), 1 if density > 0 and elements else 0)


def cut(values: Values, count: int) -> Cut:
    """Where the ``count`` largest begin; NaN counts as the largest."""
    if count <= 0:
        return Cut(math.inf, 0)
    if count >= values.count:
        return Cut(-math.inf, values.count)
    limit, below = _located(values, values.count - count)
    if math.isnan(limit):
        return Cut(math.inf, 0)
    surplus = values.count - below - count
    return Cut(limit, _end(values, limit, surplus) if surplus and limit else values.count)


def largest(values: Tensor, count: int) -> Tensor:
    """A mask of the ``count`` largest values; of equal values those with the lower flat index come first."""
    return cut(values_of(values), count).mask(values)


def order_statistic(values: Tensor, index: int) -> float:
    """The element at ``index`` (from 0) of the values in ascending order, NaN last."""
    return _located(values_of(values), index)[0]


def _located(values: Values, index: int) -> tuple[float, int]:
    """The value at ``index`` in ascending order, and how many are smaller."""
    low, high = _bracket(values, index)
    below, between = 0, list[NDArray[Any]]()
    for piece in values.pieces():
        array = _array(piece)
        smaller = array < low
        below += int(np.count_nonzero(smaller))
        between.append(array[(array <= high) ^ smaller])
    found = np.concatenate(between)
    if not 0 <= index - below < len(found):
        found, below = np.concatenate([_array(piece) for piece in values.pieces()]), 0
    found.partition(index - below)
    value = found[index - below]
    return float(value), below + int(np.count_nonzero(found < value))


def _bracket(values: Values, index: int) -> tuple[float, float]:
    """Two values between which the one at ``index`` should lie."""
    if values.count <= 2 * _SAMPLE:
        return -math.inf, math.inf
    # an odd step does not fall on the same columns of a matrix again and again
    sample = np.sort(_array(values.sample(values.count // _SAMPLE | 1)))
    middle = index * len(sample) // values.count
    low, high = middle - _MARGIN, middle + _MARGIN
    return sample[low] if low >= 0 else -math.inf, sample[high] if high < len(sample) else math.inf


def _end(values: Values, limit: float, surplus: int) -> int:
    """The flat index of the first of the last ``surplus`` values that equal the limit."""
    start, places = 0, []
    for piece in values.pieces():
        places.append(np.flatnonzero(_array(piece) == limit) + start)
        start += len(piece)
    return int(np.concatenate(places)[-surplus])


def _array(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.cpu().numpy()
    return array
