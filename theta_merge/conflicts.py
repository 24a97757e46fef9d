"""Conflict records: what a merge left open in a file, kept under ``.git/theta/conflicts`` until it is resolved.

A record belongs to three versions, named by their roots, so one that outlived its merge is never mistaken for
a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.decide import Open
from theta_merge.outcome import Versions
from theta_merge.seal import opened
from theta_merge.seal import sealed
from theta_store.unsettled import KEPT
from theta_store.unsettled import OPEN
from theta_store.unsettled import Unsettled

_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Conflicts:
    """The records of one working tree."""

    unsettled: Unsettled

    @classmethod
    def of(cls, repository: Repository) -> Conflicts:
        """The records of the working tree around a repository."""
        return cls(Unsettled(repository))

    def write(self, checkpoint: str, record: Record) -> None:
        """Keep a record; one that cannot be written is no reason to stop."""
        facts = {
            "version": 1,
            "path": checkpoint,
            "roots": record.roots,
            KEPT: record.kept,
            OPEN: record.conflicts,
            "choices": record.choices,
        }
        path = self.unsettled.record(checkpoint)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text(json.dumps(sealed(facts), indent=1) + "\n")
            os.replace(partial, path)

    def read(self, checkpoint: str) -> Record | None:
        """The record of a checkpoint; None if there is none or it is damaged."""
        try:
            return _record(self.unsettled.record(checkpoint))
        except _DAMAGED:
            return None

    def damaged(self) -> Iterator[Path]:
        """The records that are not as they were written; the conflicts they belong to are asked about anew."""
        for path in sorted(self.unsettled.folder.rglob("*.json")):
            try:
                _record(path)
            except _DAMAGED:
                yield path

    def remove(self, checkpoint: str) -> None:
        """Forget a checkpoint's record."""
        with contextlib.suppress(OSError):
            self.unsettled.record(checkpoint).unlink()


@dataclass(frozen=True)
class Record:
    """What a merge left open."""

    roots: Sequence[str | None]
    kept: str = ""
    """the root of what lies in the working tree"""
    choices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    conflicts: Sequence[Mapping[str, object]] = ()

    @classmethod
    def of(cls, versions: Versions, kept: str, still_open: Iterable[Open], choices: Mapping[str, Choice]) -> Record:
        """What is open between these versions, and what was chosen for the rest."""
        items = list(still_open)
        names = {item.conflict.name for item in items}
        return cls(
            roots(versions),
            kept,
            {name: choice.as_json() for name, choice in sorted(choices.items()) if name not in names},
            [{**item.conflict.as_json(), "why": item.why} for item in items],
        )


def _record(path: Path) -> Record:
    """Raises what is in :data:`_DAMAGED`."""
    facts: dict[str, Any] = opened(json.loads(path.read_text()))
    return Record(facts["roots"], facts.get(KEPT, ""), facts["choices"], facts[OPEN])


def roots(versions: Versions) -> list[str | None]:
    """What names a set of versions: the root of base and of every side."""
    return [version.root if version else None for version in (versions.base, *versions.sides)]
