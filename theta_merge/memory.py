"""Memory: how a conflict between the same three versions of a group was settled before, in this clone.

One line of JSON per resolution, only ever appended to; a later line counts more, and a damaged one not at all.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from strategies.contract import MergeError
from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.choices import choice
from theta_merge.decide import Decision
from theta_merge.outcome import Versions
from theta_merge.seal import opened
from theta_merge.seal import sealed


@dataclass(frozen=True)
class Memory:
    """The resolutions of one clone."""

    file: Path

    @classmethod
    def of(cls, repository: Repository) -> Memory:
        """The memory of the clone around a repository."""
        return cls(repository.theta_dir / "resolutions.jsonl")

    def recalled(self, versions: Versions) -> dict[str, Choice]:
        """What settled these very conflicts before."""
        known = self._known()
        if not known:
            return {}
        found: dict[str, Choice] = {}
        for decision in versions.conflicts:
            saved = known.get(_key(decision))
            if saved:
                options = saved.get("options")
                given = options if isinstance(options, dict) else {}
                with contextlib.suppress(MergeError):
                    found[decision.name] = choice(str(saved.get("strategy")), given, len(versions.sides))
        return found

    def remember(self, versions: Versions, choices: Mapping[str, Choice]) -> None:
        """Add what settled these conflicts; a file that cannot be written is no reason to stop."""
        known = self._known()
        lines = []
        for decision in versions.conflicts:
            if decision.name in choices:
                fresh = choices[decision.name].as_json()
                if known.get(_key(decision)) != fresh:
                    lines.append(json.dumps(sealed({"key": _key(decision), **fresh})) + "\n")
        with contextlib.suppress(OSError):
            if lines:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("a") as file:
                    file.write("".join(lines))

    def _known(self) -> dict[str, dict[str, object]]:
        try:
            lines = self.file.read_bytes().splitlines()
        except OSError:
            return {}
        found: dict[str, dict[str, object]] = {}
        for line in lines:
            with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
                facts = opened(json.loads(line))
                found[str(facts.pop("key"))] = facts
        return found


def _key(decision: Decision) -> str:
    """What names a conflict: its versions, whatever the group and the file are called; a value's name counts too."""
    facts = decision.as_json()
    named = [decision.name] if decision.is_value else []
    return blake3(json.dumps([facts["base"], facts["sides"], *named]).encode()).hexdigest()
