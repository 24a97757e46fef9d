"""All that is known of what happened to one file: what every renderer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from theta_diff.change import Change
from theta_diff.compare import Comparison


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
