"""All that is known of what happened to one file: what every renderer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from enum import IntEnum

from theta_diff.change import Change
from theta_diff.change import estimates
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
    """by new name, for modified groups; absent where nothing is known"""
    opaque: bool = False
    """one of the versions is a file whose format is unknown"""
    notes: tuple[str, ...] = ()
    """what the reader should know about how this was found out"""


def reported(names: tuple[str, str], old: Side | None, new: Side | None, detail: Detail = Detail.ESTIMATED) -> Report:
    """What leads from one version to the other; None stands for a file that does not exist.

    Where values that the detail asks for are not here, the estimates stay.
    """
    comparison = compared(old.manifest if old else None, new.manifest if new else None)
    changes: Mapping[str, Change] = {}
    problems: tuple[str, ...] = ()
    if old and new and comparison.modified:
        changes = estimates(comparison.modified, old.sketches, new.sketches)
        if detail:
            from theta_diff.exact import measured

            found = measured(comparison.modified, old.checkpoint(), new.checkpoint(), detail == Detail.HISTOGRAMS)
            changes, problems = {**changes, **found.changes}, found.problems
    sides = [(name, side) for name, side in zip(names, (old, new), strict=True) if side]
    warnings = (f"{name}: {side.warning}" for name, side in sides if side.warning)
    return Report(
        old=names[0],
        new=names[1],
        comparison=comparison,
        changes=changes,
        opaque=any(side.manifest.format == "opaque" for _, side in sides),
        notes=(*dict.fromkeys(warnings), *problems),
    )
