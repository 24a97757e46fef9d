"""One tensor by itself: statistics, a histogram and a corner of its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from theta_diff.compare import NamedTensor
from theta_diff.exact import slice_length
from theta_diff.exact import slices_of
from theta_diff.histograms import Histogram
from theta_diff.statistics import Collector
from theta_diff.statistics import Summary
from theta_diff.statistics import as_numbers
from theta_store.checkpoint import Checkpoint

_CORNER = 6
"""rows and columns of the corner"""
_MAX_CORNER = 1 << 22
"""elements of the first rows that are kept in memory for it, at most"""


@dataclass(frozen=True, slots=True)
class TensorView:
    """What there is to see of one tensor."""

    summary: Summary
    zeros: int
    """elements that are zero"""
    corner: str
    """the first rows and columns (of the first matrix) as text, several lines"""
    histogram: Histogram | None
    """of a sample; None of an empty tensor"""


def tensor_view(tensor: NamedTensor, checkpoint: Checkpoint) -> TensorView:
    """The view of a tensor. Memory: a few chunks. Raises MissingObject, CorruptObject."""
    collector = Collector(tensor.dtype, tensor.dtype, tensor.shape, histograms=True)
    columns = tensor.shape[-1] if tensor.shape else 1
    wanted = min(_MAX_CORNER, _CORNER * columns)
    first: list[NDArray[Any]] = []
    zeros = 0
    for values in slices_of(checkpoint, tensor, slice_length(tensor.shape)):
        collector.update(values, values)
        zeros += int(numpy.count_nonzero(values == 0))
        if sum(map(len, first)) < wanted:
            first.append(values)
    statistics = collector.statistics()
    histograms = statistics.histograms
    corner = _corner(numpy.concatenate(first)[:wanted], columns) if first else "[]"
    return TensorView(statistics.new, zeros, corner, histograms.new if histograms else None)


def _corner(values: NDArray[Any], columns: int) -> str:
    """The first rows and columns; dots where there are more."""
    numbers = values if values.dtype.kind in "cbiu" else as_numbers(values)
    rows = math.ceil(len(numbers) / columns)
    square = numbers[: rows * columns].reshape(rows, -1)[:, :_CORNER]
    text = numpy.array2string(square, precision=4, threshold=_CORNER * _CORNER * 2, max_line_width=120)
    return text.replace("]\n", " …]\n").removesuffix("]]") + " …]]" if columns > _CORNER else text
