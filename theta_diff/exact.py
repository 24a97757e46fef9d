"""Exact statistics of modified tensors, from the values of both checkpoints, a slice at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import quoted
from theta_diff.change import Change
from theta_diff.change import Measured
from theta_diff.change import exact
from theta_diff.change import is_measurable
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.statistics import Collector
from theta_diff.statistics import Statistics
from theta_store.arrays import shaped_array
from theta_store.checkpoint import Checkpoint
from theta_store.chunks import WORKERS
from theta_store.objects import MissingObject
from theta_store.values import slices

_SLICE = 1 << 16
"""elements: small enough for the caches of one core"""


def measured(pairs: Iterable[Pair], old: Checkpoint, new: Checkpoint, histograms: bool = False) -> Measured:
    """The exact change of every pair that can be measured; what could not be read is told.

    Memory: a few chunks (16 MiB) for each worker.
    """
    names: dict[object, list[Pair]] = {}
    for pair in sorted(filter(is_measurable, pairs), key=lambda pair: -pair.new.parameters):
        names.setdefault((pair.old.content, pair.new.content), []).append(pair)
    changes: dict[str, Change] = {}
    problems: list[str] = []
    missing: list[str] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(lambda alike: _attempt(alike[0], old, new, histograms), names.values())
        for alike, result in zip(names.values(), results, strict=True):
            if isinstance(result, Statistics):
                changes |= {pair.new.name: exact(result) for pair in alike}
            elif isinstance(result, MissingObject):
                missing += [pair.new.name for pair in alike]
            else:
                problems.append(str(result))
    problems += _missing_text(missing)
    return Measured(changes, tuple(dict.fromkeys(problems)))


def counted(tensors: Iterable[NamedTensor], checkpoint: Checkpoint) -> Measured:
    """The NaN and inf in tensors that have no earlier version; what could not be read is told."""
    found = measured((Pair(tensor, tensor) for tensor in tensors), checkpoint, checkpoint)
    changes = {
        name: Change(nans=(0, change.nans[1]), infinities=(0, change.infinities[1]))
        for name, change in found.changes.items()
    }
    return Measured(changes, found.problems)


def _missing_text(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    which = f"of {quoted(names[0])}" if len(names) == 1 else f"of {len(names)} groups"
    return [f"values {which} are not here; get them with: git theta fetch"]


def statistics_of(pair: Pair, old: Checkpoint, new: Checkpoint, histograms: bool = False) -> Statistics:
    """The statistics of one measurable pair. Raises MissingObject, CorruptObject, FileChanged."""
    collector = Collector(pair.old.dtype, pair.new.dtype, pair.new.shape, histograms)
    count = slice_length(pair.new.shape)
    after = slices_of(new, pair.new, count)
    for before in slices_of(old, pair.old, count):
        collector.update(before, next(after))
        del before  # it is not kept while the next one is decoded
    deque(after, maxlen=0)  # values are verified once the last one is taken
    return collector.statistics()


def slice_length(shape: tuple[int, ...]) -> int:
    """Elements of a slice: whole rows."""
    row = math.prod(shape[1:]) if len(shape) > 1 else 1
    return max(1, _SLICE // max(1, row)) * max(1, row)


def slices_of(checkpoint: Checkpoint, tensor: NamedTensor, count: int) -> Iterator[NDArray[Any]]:
    """The values of a tensor, tied or not, in C order."""
    if not tensor.is_part:
        yield from slices(checkpoint, tensor.owner or tensor.name, count)
        return
    raw = b"".join(checkpoint.chunks(tensor.owner or tensor.name))[tensor.offset :]
    if tensor.strides is None:
        raw = raw[: tensor.parameters * DTYPES[tensor.dtype].itemsize]
    whole = shaped_array(raw, tensor.dtype, tensor.shape, tensor.strides).reshape(-1)
    yield from (whole[start : start + count] for start in range(0, whole.size, count))


def _attempt(pair: Pair, old: Checkpoint, new: Checkpoint, histograms: bool) -> Statistics | Exception:
    try:
        return statistics_of(pair, old, new, histograms)
    except (Failure, OSError) as error:
        return error
