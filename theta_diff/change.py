"""How far a tensor moved between two versions: measured exactly, or estimated from sketches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from theta_checkpoint.dtypes import DTYPES
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_store.sketches import Sketch

if TYPE_CHECKING:
    from theta_diff.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Change:
    """How far one tensor moved. None where the question makes no sense or has no known answer."""

    relative_change: float | None = None
    """|new - old| / |old| in the L2 norm over the finite values; None where old is all zeros"""
    cosine: float | None = None
    """cosine between old and new as vectors; None where one of them is all zeros"""
    max_abs: float | None = None
    """largest |new - old| of one element"""
    distance: float | None = None
    """|new - old| in the L2 norm"""
    norm: float | None = None
    """L2 norm of old"""
    estimated: bool = False
    """from sketches: the relative change is within about 10 %"""
    from_zero: bool = False
    """old is all zeros, new is not"""
    nans: tuple[int, int] = (0, 0)
    """NaN values in old and in new"""
    infinities: tuple[int, int] = (0, 0)
    """infinite values in old and in new"""
    statistics: Statistics | None = None
    """all there is to know, where the values were read"""

    @property
    def moved(self) -> bool:
        """Whether a finite value changed, as far as is known."""
        return self.estimated or self.statistics is None or self.statistics.distance > 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out, and what stood in the way."""

    changes: dict[str, Change]
    """by new name"""
    problems: tuple[str, ...]
    """one line for each group that is damaged, and one for all whose values are not here"""


def is_measurable(pair: Pair) -> bool:
    """Whether a distance between the two tensors means something: equal shapes, both real or both complex."""
    kinds = [DTYPES[tensor.dtype].kind if tensor.dtype in DTYPES else None for tensor in (pair.old, pair.new)]
    return pair.old.shape == pair.new.shape and None not in kinds and kinds.count("complex") != 1


def is_weight(pair: Pair) -> bool:
    """Whether the pair is one of weights: no counter, no mask, and no single number such as Adam's step."""
    kind = DTYPES[pair.new.dtype].kind if pair.new.dtype in DTYPES else None
    return is_measurable(pair) and kind in ("float", "complex") and pair.new.shape != ()


def estimates(pairs: Iterable[Pair], old: Mapping[str, Sketch], new: Mapping[str, Sketch]) -> dict[str, Change]:
    """The change of each pair, by new name, as far as the sketches (by digest) of both sides tell."""
    found = {}
    for pair in pairs:
        before, after = old.get(pair.old.digest), new.get(pair.new.digest)
        if before and after and not pair.old.is_part and not pair.new.is_part:
            found[pair.new.name] = estimated(pair, before, after)
    return found


def counts(tensors: Iterable[NamedTensor], sketches: Mapping[str, Sketch]) -> dict[str, Change]:
    """The NaN and inf in tensors that have no earlier version, by name, as far as sketches (by digest) tell."""
    found = {}
    for tensor in tensors:
        sketch = sketches.get(tensor.digest)
        if sketch and not tensor.is_part:
            found[tensor.name] = Change(nans=(0, sketch.nans), infinities=(0, sketch.infinities))
    return found


def estimated(pair: Pair, old: Sketch, new: Sketch) -> Change:
    """The change of one pair whose sketches cover exactly its values."""
    nans, infinities = (old.nans, new.nans), (old.infinities, new.infinities)
    if not is_measurable(pair) or pair.old.strides != pair.new.strides:
        return Change(estimated=True, nans=nans, infinities=infinities)
    cosine, distance = old.cosine(new), _finite(old.distance(new))
    return Change(
        relative_change=_finite(distance / old.norm) if distance is not None and old.norm else None,
        cosine=_finite(cosine),
        distance=distance,
        norm=old.norm,
        estimated=True,
        from_zero=not old.norm and new.norm > 0,
        nans=nans,
        infinities=infinities,
    )


def exact(statistics: Statistics) -> Change:
    """The change that statistics of all values tell."""
    return Change(
        relative_change=_finite(statistics.relative_change),
        cosine=_finite(statistics.cosine),
        max_abs=_finite(statistics.max_abs),
        distance=_finite(statistics.distance),
        norm=statistics.norm,
        from_zero=statistics.relative_change is None and statistics.distance > 0,
        nans=(statistics.old.nans, statistics.new.nans),
        infinities=(statistics.old.infinities, statistics.new.infinities),
        statistics=statistics,
    )


def _finite(number: float | None) -> float | None:
    """The number; None where it is not known, or its squares were beyond float64."""
    return number if number is not None and math.isfinite(number) else None
