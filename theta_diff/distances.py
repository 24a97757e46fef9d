"""Distances between versions of many groups at once, estimated from sketches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_diff.compare import NamedTensor
from theta_store.sketches import Sketch

Sketched = Mapping[str, Sketch]
"""sketches by digest"""


@dataclass(frozen=True, slots=True)
class Located:
    """Groups of one version and the sketches of their values."""

    groups: Mapping[str, NamedTensor]
    sketches: Sketched

    def sketch(self, name: str) -> Sketch | None:
        """The sketch of a group of weights in C order; None where it is not known, and for counters and masks."""
        tensor = self.groups.get(name)
        if tensor is None or tensor.is_part or tensor.strides or tensor.dtype not in DTYPES:
            return None
        return self.sketches.get(tensor.digest) if DTYPES[tensor.dtype].kind in ("float", "complex") else None


def drift(start: Located, end: Located) -> float | None:
    """Estimated relative distance between two versions, over all groups of weights that both know.

    None where there are none.
    """
    found = [_sketches(name, start, end) for name in start.groups]
    known = [sketches for sketches in found if sketches]
    norm = math.sqrt(sum(before.norm**2 for before, _ in known))
    return math.sqrt(sum(before.distance(after) ** 2 for before, after in known)) / norm if norm else None


@dataclass(frozen=True, slots=True)
class Relation:
    """Two changes since one base."""

    cosine: float | None
    """estimated cosine between them, over all groups; None where one side changed nothing"""
    distance: float | None
    """estimated distance of the two versions, relative to the base"""
    both: int
    """groups that both changed, and not to the same values"""


def relation(base: Located, one: Located, other: Located) -> Relation:
    """How two changes since a base relate."""
    found = [_sketches(name, base, one, other) for name in base.groups]
    known = [sketches for sketches in found if sketches]
    changes = [(_difference(left, start), _difference(right, start)) for start, left, right in known]
    lengths = math.sqrt(sum(_dot(left, left) for left, _ in changes) * sum(_dot(right, right) for _, right in changes))
    product = sum(_dot(left, right) for left, right in changes)
    norm = math.sqrt(sum(start.norm**2 for start, _, _ in known))
    apart = math.sqrt(sum(left.distance(right) ** 2 for _, left, right in known))
    both = moved(base, one) & moved(base, other)
    return Relation(
        cosine=max(-1.0, min(1.0, product / lengths)) if lengths else None,
        distance=apart / norm if norm else None,
        both=sum(_content(one, name) != _content(other, name) for name in both),
    )


def moved(base: Located, version: Located) -> set[str]:
    """The groups that a version changed, added or removed."""
    names = base.groups.keys() | version.groups.keys()
    return {name for name in names if _content(base, name) != _content(version, name)}


def _sketches(name: str, *versions: Located) -> list[Sketch] | None:
    """The sketches of one group in all versions; None where one is missing or has another shape."""
    found = [sketch for version in versions if (sketch := version.sketch(name))]
    shapes = {version.groups[name].shape for version in versions if name in version.groups}
    return found if len(found) == len(versions) and len(shapes) == 1 else None


def _difference(end: Sketch, start: Sketch) -> list[float]:
    return [a - b for a, b in zip(end.buckets, start.buckets, strict=True)]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _content(version: Located, name: str) -> object:
    return version.groups[name].content if name in version.groups else None
