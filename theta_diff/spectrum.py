"""Is the change of a matrix of low rank? Answered from a fixed sample of its rows.

A sample of more rows than the rank has the rank of the whole, except for matrices made to fool it; so one pass over
the change and a small Gram matrix answer what a singular value decomposition would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from theta_diff.bits import resolution

ROWS = 128
"""rows in the sample, at most: ranks up to half of it are told"""
_MAX_ELEMENTS = 1 << 22
_GAP = 3
"""how far the last singular value that counts must stand above the first that does not"""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The singular values of a change, from its sampled rows."""

    rank: int | None
    """numerical rank beyond what rounding explains; None where there is no sharp end, or too small a sample"""
    directions: int
    """directions that hold 90 % of the squared change"""
    of: int
    """directions there are in the sample"""


class SpectrumSample:
    """Collects the sample from consecutive rows of a change."""

    def __init__(self, rows: int, columns: int, dtype: str) -> None:
        size = min(rows, ROWS, max(1, _MAX_ELEMENTS // columns))
        self._wanted = numpy.sort(numpy.random.default_rng(0).choice(rows, size, replace=False))
        self._shape = rows, columns
        self._resolution = resolution(dtype)
        self._taken: list[NDArray[Any]] = []
        self._position = 0

    def add(self, rows: NDArray[Any]) -> None:
        """Take the next rows of the change."""
        start, end = numpy.searchsorted(self._wanted, (self._position, self._position + len(rows)))
        self._taken.append(rows[self._wanted[start:end] - self._position])
        self._position += len(rows)

    def spectrum(self, mean_square: float) -> Spectrum | None:
        """The spectrum, where values of this mean square were rounded to their type.

        None if no sampled row changed, or one by more than float64 holds.
        """
        sample = numpy.concatenate(self._taken).astype(numpy.float64)
        if sample.shape[0] > sample.shape[1]:
            sample = sample.T
        largest = numpy.abs(sample).max(initial=0)
        if not largest or not math.isfinite(largest):
            return None
        sample /= largest
        squares = numpy.linalg.eigvalsh(sample @ sample.T)[::-1].clip(0)
        noise = math.sqrt(mean_square / 12) * self._resolution / largest * sum(map(math.sqrt, sample.shape))
        floor = max(1.5 * noise, 1e-6 * math.sqrt(squares[0]))
        rank = int((squares > floor * floor).sum())
        directions = int(numpy.searchsorted(numpy.cumsum(squares), 0.9 * squares.sum())) + 1
        bounded = 2 * rank <= len(squares) or len(squares) == min(self._shape)
        # singular values that only fade away have no number at which they end
        ends = rank in (0, len(squares)) or squares[rank - 1] > _GAP * _GAP * squares[rank]
        return Spectrum(rank if bounded and ends else None, directions, len(squares))
