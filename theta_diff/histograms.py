"""Histograms of a tensor before, after, and of its change, from a regular sample of its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

BINS = 48
SAMPLE = 1 << 16
"""elements in the sample, about"""
_MOST = 1e300
"""values beyond it count as it: their differences would be infinite"""
_TAIL = 0.001
"""share of the values beyond each end of the range; they are counted in the outermost bins"""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of sampled values in ``BINS`` equal bins from ``low`` to ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Histograms:
    """Old and new over one range, the change over its own."""

    old: Histogram
    new: Histogram
    delta: Histogram


class Sampler:
    """Collects the sample from slices of both versions."""

    def __init__(self, elements: int) -> None:
        self._stride = max(1, elements // SAMPLE)
        self._position = 0
        self._old: list[NDArray[Any]] = []
        self._new: list[NDArray[Any]] = []

    def add(self, old: NDArray[Any], new: NDArray[Any]) -> None:
        """Take the next slice; elements that are not finite must be zero."""
        first = -self._position % self._stride
        self._old.append(old[first :: self._stride].astype(numpy.float64))
        self._new.append(new[first :: self._stride].astype(numpy.float64))
        self._position += len(old)

    def histograms(self) -> Histograms | None:
        """The histograms; None of an empty tensor."""
        if not self._position:
            return None
        old, new = (numpy.concatenate(values).clip(-_MOST, _MOST) for values in (self._old, self._new))
        bounds = _bounds(numpy.concatenate([old, new]))
        delta = new - old
        return Histograms(_histogram(old, bounds), _histogram(new, bounds), _histogram(delta, _bounds(delta)))


def _bounds(values: NDArray[Any]) -> tuple[float, float]:
    low, high = numpy.quantile(values, (_TAIL, 1 - _TAIL))
    if low < high:
        return float(low), float(high)
    margin = abs(float(low)) * 1e-3 or 1.0
    return float(low) - margin, float(high) + margin


def _histogram(values: NDArray[Any], bounds: tuple[float, float]) -> Histogram:
    counts, _ = numpy.histogram(values.clip(*bounds), BINS, bounds)
    return Histogram(*bounds, tuple(counts.tolist()))
