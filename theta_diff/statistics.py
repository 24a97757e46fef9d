"""Exact statistics of how one tensor changed, collected slice by slice.

Sums run over the elements that are finite in both versions: within a slice in the precision of the values (at
least float32), over slices in float64. Nothing here knows files or git.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_diff.bits import BitFacts
from theta_diff.histograms import Histograms
from theta_diff.histograms import Sampler
from theta_diff.spectrum import Spectrum
from theta_diff.spectrum import SpectrumSample

Array = NDArray[Any]

_BLOCK = 1 << 13
"""elements"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One version of a tensor in a few numbers over its finite values; None where there are none."""

    mean: float | None
    std: float | None
    """population standard deviation"""
    minimum: float | None
    maximum: float | None
    nans: int
    infinities: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """How one tensor changed between two versions of equal shape. A complex number counts as two real ones."""

    elements: int
    changed: int
    """elements that differ (two NaN do not)"""
    distance: float
    """L2 norm of new - old"""
    norm: float
    """L2 norm of old"""
    relative_change: float | None
    """distance / norm; None where old is all zeros"""
    cosine: float | None
    """cosine between old and new; None where one of them is all zeros"""
    max_abs: float
    """largest |new - old|"""
    max_at: tuple[int, ...] | None
    """index of the (first) element that moved furthest; None where none moved"""
    old: Summary
    new: Summary
    shift: float
    """mean of new - old"""
    shift_rest: float
    """standard deviation of new - old: 0 for a constant shift"""
    scale: float | None
    """the factor that brings old nearest to new; None where old is all zeros"""
    scale_rest: float
    """|new - scale * old| / |new - old|: 0 where new is old times a factor"""
    rows: int | None
    """rows of a matrix (all axes but the first count as columns); None for anything else"""
    changed_rows: int | None
    """rows that hold a changed element"""
    zero_rows: tuple[int, int] | None
    """rows that are all zeros in old and in new"""
    facts: frozenset[str]
    """what holds for every element, see :class:`theta_diff.bits.BitFacts`"""
    spectrum: Spectrum | None
    """singular values of the change of a matrix"""
    histograms: Histograms | None = None
    """of old, new and the change; only where they were asked for"""


class Collector:
    """Collects the statistics of one pair of tensors from slices of their values in C order.

    For a matrix every slice must hold whole rows.
    """

    def __init__(self, old_dtype: str, new_dtype: str, shape: tuple[int, ...], histograms: bool = False) -> None:
        self._shape = shape
        self._width = 2 if DTYPES[old_dtype].kind == "complex" else 1
        self._columns = math.prod(shape[1:]) * self._width if len(shape) > 1 else 0
        self._facts = BitFacts(old_dtype, new_dtype)
        self._sample = SpectrumSample(shape[0], self._columns, new_dtype) if self._columns else None
        self._sampler = Sampler(math.prod(shape) * self._width) if histograms else None
        self._old, self._new = _Moments(), _Moments()
        self._position = self._finite = self._changed = self._changed_rows = 0
        self._product = 0.0
        self._delta = _Moments()
        self._zero_rows = [0, 0]
        self._max_at = 0

    @numpy.errstate(over="ignore", invalid="ignore")
    def update(self, old: Array, new: Array) -> None:
        """Take the next slice of both versions: flat, of equal length. What is beyond float64 is infinite or NaN."""
        self._facts.update(old, new)
        before, after = as_numbers(old), as_numbers(new)
        if math.isfinite(_square(before) + _square(after)):
            finite = None
            delta = after - before
            differs = delta != 0
        else:
            finite = numpy.isfinite(before) & numpy.isfinite(after)
            differs = (before != after) & ~(numpy.isnan(before) & numpy.isnan(after))
            self._old.count_wild(before)
            self._new.count_wild(after)
            before, after = _tamed(before, finite), _tamed(after, finite)
            delta = after - before
        self._old.add(before, finite)
        self._new.add(after, finite)
        if self._columns:
            self._zero_rows[0] += _zero_rows(before, self._columns)
            self._zero_rows[1] += _zero_rows(after, self._columns)
        if self._sampler:
            self._sampler.add(before, after)
        self._product += _dot(before, delta)
        self._add_delta(delta, differs)
        self._finite += len(delta) if finite is None else int(numpy.count_nonzero(finite))
        self._position += len(delta)

    def _add_delta(self, delta: Array, differs: Array) -> None:
        changed = int(numpy.count_nonzero(differs.reshape(-1, 2).any(axis=1) if self._width == 2 else differs))
        self._changed += changed
        furthest = max(self._delta.maximum, -self._delta.minimum)
        self._delta.add(delta, None)
        if max(self._delta.maximum, -self._delta.minimum) > max(furthest, 0):
            self._max_at = self._position + int(numpy.abs(delta).argmax())
        if self._columns and changed:
            rows = differs.reshape(-1, self._columns)
            self._changed_rows += len(rows) if changed == differs.size else int(numpy.count_nonzero(rows.any(axis=1)))
        if self._sample:
            self._sample.add(delta.reshape(-1, self._columns))

    def statistics(self) -> Statistics:
        """The statistics of all slices."""
        norm, distance, product = self._old.squares, self._delta.squares, self._product
        rest = max(distance - product * product / norm, 0.0) if norm else distance  # NaN first: it stays NaN
        count = max(self._finite, 1)
        max_abs = max(self._delta.maximum, -self._delta.minimum, 0.0)
        shift = self._delta.total / count
        return Statistics(
            elements=self._position // self._width,
            changed=self._changed,
            distance=math.sqrt(distance),
            norm=math.sqrt(norm),
            relative_change=math.sqrt(distance / norm) if norm else None,
            cosine=_cosine(norm, self._new.squares, norm + product, rest),
            max_abs=max_abs,
            max_at=self._index(self._max_at) if max_abs else None,
            old=self._old.summary(self._finite),
            new=self._new.summary(self._finite),
            shift=shift,
            shift_rest=math.sqrt(max(distance / count - shift * shift, 0.0)),
            scale=1 + product / norm if norm else None,
            scale_rest=math.sqrt(rest / distance) if distance else 0.0,
            rows=self._shape[0] if self._columns else None,
            changed_rows=self._changed_rows if self._columns else None,
            zero_rows=(self._zero_rows[0], self._zero_rows[1]) if self._columns else None,
            facts=self._facts.facts(),
            spectrum=self._sample.spectrum(self._new.squares / count) if self._sample and max_abs else None,
            histograms=self._sampler.histograms() if self._sampler else None,
        )

    def _index(self, position: int) -> tuple[int, ...]:
        return tuple(int(i) for i in numpy.unravel_index(position // self._width, self._shape))


class _Moments:
    """Running sums over the finite numbers of one tensor."""

    def __init__(self) -> None:
        self.total = 0.0
        self.squares = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.nans = 0
        self.infinities = 0

    def add(self, numbers: Array, finite: Array | None) -> None:
        """Take numbers, which are zero where ``finite`` is false."""
        self.total += float(numbers.sum())
        self.squares += _square(numbers)
        inner = numbers if finite is None else numbers[finite]
        if inner.size:
            self.minimum = min(self.minimum, float(inner.min()))
            self.maximum = max(self.maximum, float(inner.max()))

    def count_wild(self, numbers: Array) -> None:
        """Count what is not finite."""
        self.nans += int(numpy.isnan(numbers).sum())
        self.infinities += int(numpy.isinf(numbers).sum())

    def summary(self, count: int) -> Summary:
        """The summary, of ``count`` finite numbers."""
        if not count:
            return Summary(None, None, None, None, self.nans, self.infinities)
        mean = self.total / count
        std = math.sqrt(max(self.squares / count - mean * mean, 0.0))
        return Summary(mean, std, self.minimum, self.maximum, self.nans, self.infinities)


def as_numbers(values: Array) -> Array:
    """Values as float32, or float64 where float32 would lose some; complex ones as pairs."""
    if values.dtype.kind == "c":
        values = values.view(values.real.dtype)
    wide = values.dtype.kind in "iuf" and values.dtype.itemsize > (4 if values.dtype.kind == "f" else 2)
    return values.astype(numpy.float64 if wide else numpy.float32, copy=False)


def _tamed(numbers: Array, finite: Array) -> Array:
    """The numbers in float64, zero where not finite."""
    return numpy.where(finite, numbers, 0).astype(numpy.float64)


def _square(numbers: Array) -> float:
    return _dot(numbers, numbers)


def _dot(one: Array, other: Array) -> float:
    """The dot product, summed over blocks in float64; blocks are too short for BLAS to start threads of its own."""
    whole = len(one) - len(one) % _BLOCK
    blocks = numpy.vecdot(one[:whole].reshape(-1, _BLOCK), other[:whole].reshape(-1, _BLOCK))
    return float(blocks.sum(dtype=numpy.float64) + numpy.dot(one[whole:], other[whole:]))


def _zero_rows(numbers: Array, columns: int) -> int:
    """Rows that are all zeros: only those that begin with zero are looked at."""
    candidates = numpy.flatnonzero(numbers[::columns] == 0)
    return int((~numbers.reshape(-1, columns)[candidates].any(axis=1)).sum()) if candidates.size else 0


def _cosine(old: float, new: float, product: float, rest: float) -> float | None:
    """From |old|^2, |new|^2, old . new and the part of |new|^2 across old: precise for nearly equal versions."""
    if not old or not new:
        return None
    return math.copysign(math.sqrt(max(1 - min(rest / new, 1.0), 0.0)), product)
