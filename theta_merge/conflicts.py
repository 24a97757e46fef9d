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
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from theta_merge.choices import Choice
from theta_merge.decide import Open
from theta_merge.outcome import Versions
from theta_merge.seal import opened
from theta_merge.seal import sealed

_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Conflicts:
    """The records of one working tree."""

    folder: Path
    """``.git/theta/conflicts``"""

    def path(self, checkpoint: str) -> Path:
        """Where the record of a checkpoint lies."""
        return self.folder / f"{checkpoint}.json"

    def write(
        self, checkpoint: str, versions: Versions, still_open: Iterable[Open], choices: Mapping[str, Choice]
    ) -> None:
        """Record what is open and what was chosen; a record that cannot be written is no reason to stop."""
        items = list(still_open)
        names = {item.conflict.name for item in items}
        record = {
            "version": 1,
            "path": checkpoint,
            "roots": roots(versions),
            "conflicts": [{**item.conflict.as_json(), "why": item.why} for item in items],
            "choices": {name: choice.as_json() for name, choice in sorted(choices.items()) if name not in names},
        }
        path = self.path(checkpoint)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text(json.dumps(sealed(record), indent=1) + "\n")
            os.replace(partial, path)

    def read(self, checkpoint: str) -> Record | None:
        """The record of a checkpoint; None if there is none or it is damaged."""
        try:
            return _record(self.path(checkpoint))
        except _DAMAGED:
            return None

    def damaged(self) -> Iterator[Path]:
        """The records that are not as they were written; the conflicts they belong to are asked about anew."""
        for path in sorted(self.folder.rglob("*.json")):
            try:
                _record(path)
            except _DAMAGED:
                yield path

    def remove(self, checkpoint: str) -> None:
        """Forget a checkpoint's record."""
        with contextlib.suppress(OSError):
            self.path(checkpoint).unlink()


@dataclass(frozen=True)
class Record:
    """What a merge left open."""

    roots: list[str | None]
    choices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    conflicts: list[dict[str, object]] = field(default_factory=list)


def _record(path: Path) -> Record:
    """Raises what is in :data:`_DAMAGED`."""
    facts: dict[str, Any] = opened(json.loads(path.read_text()))
    return Record(facts["roots"], facts["choices"], facts["conflicts"])


def roots(versions: Versions) -> list[str | None]:
    """What names a set of versions: the root of base and of every side."""
    return [version.root if version else None for version in (versions.base, *versions.sides)]
