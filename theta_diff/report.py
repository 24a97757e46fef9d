"""All that is known of what happened to one file: what every renderer takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from enum import IntEnum

from theta_diff.change import Change
from theta_diff.change import Measured
from theta_diff.change import counts
from theta_diff.change import estimates
from theta_diff.change import is_measurable
from theta_diff.compare import Comparison
from theta_diff.compare import compared
from theta_diff.sides import Side


class Detail(IntEnum):
    """How much is read."""

    ESTIMATED = 0
    """manifests and sketches"""
    EXACT = 1
    """the values of the groups that differ"""
    HISTOGRAMS = 2
    """the same, with histograms"""


@dataclass(frozen=True, slots=True)
class Report:
    """One file in two versions."""

    old: str
    """path or label of the old version"""
    new: str
    comparison: Comparison
    changes: Mapping[str, Change] = field(default_factory=dict)
    """by new name, for modified groups, and for the NaN and inf of added ones; absent where nothing is known"""
    opaque: bool = False
    """one of the versions is a file whose format is unknown"""
    notes: tuple[str, ...] = ()
    """what the reader should know about how this was found out"""

    @property
    def unknown(self) -> frozenset[str]:
        """Modified groups that could be measured if their sketches or values were here, by new name."""
        pairs = () if self.opaque else self.comparison.modified
        return frozenset(p.new.name for p in pairs if is_measurable(p) and p.new.name not in self.changes)


def reported(names: tuple[str, str], old: Side | None, new: Side | None, detail: Detail = Detail.ESTIMATED) -> Report:
    """What leads from one version to the other; None stands for a file that does not exist.

    Where values that the detail asks for are not here, the estimates stay.
    """
    comparison = compared(old.manifest if old else None, new.manifest if new else None)
    sides = [(name, side) for name, side in zip(names, (old, new), strict=True) if side]
    opaque = any(side.manifest.format == "opaque" for _, side in sides)
    known = Measured({}, ()) if opaque or not new else _changes(comparison, old, new, detail)
    warnings = (f"{name}: {side.warning}" for name, side in sides if side.warning)
    report = Report(
        old=names[0],
        new=names[1],
        comparison=comparison,
        changes=known.changes,
        opaque=opaque,
        notes=(*dict.fromkeys(warnings), *known.problems),
    )
    if report.unknown and not known.problems:
        return replace(report, notes=(*report.notes, _how_to_know(side for _, side in sides)))
    return report


def _changes(comparison: Comparison, old: Side | None, new: Side, detail: Detail) -> Measured:
    """What is known of modified and added groups."""
    told = counts(comparison.added, new.sketches)
    if old:
        told |= estimates(comparison.modified, old.sketches, new.sketches)
    untold = [tensor for tensor in comparison.added if tensor.name not in told]
    if not detail or not (comparison.modified or untold):
        return Measured(told, ())
    # one worker for each core is enough: threads of OpenBLAS would only spin against them
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from theta_diff.exact import counted
    from theta_diff.exact import measured

    values = new.checkpoint()
    added = counted(untold, values)
    if not old:
        return Measured(told | added.changes, added.problems)
    found = measured(comparison.modified, old.checkpoint(), values, detail == Detail.HISTOGRAMS)
    return Measured(told | added.changes | found.changes, (*added.problems, *found.problems))


def _how_to_know(sides: Iterable[Side]) -> str:
    """What to type for an answer where there is none yet."""
    if any(side.manifest.sketches and not side.sketches for side in sides):
        return "? stands where sketches are not here; git theta fetch brings them"
    return "? stands where sketches do not tell; git theta diff --exact reads the values"
