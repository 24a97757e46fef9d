"""History: which strategy gave each computed group of a merge, as notes on the merged manifest's blob.

Notes do not change the manifest, travel with ``git push origin refs/notes/theta-merges`` and survive a
rebase, since they hang on the content and not on the commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.decide import Decision
from theta_merge.decide import side_name
from theta_merge.outcome import Versions

REF = "theta-merges"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a group of a merge came from."""

    name: str
    text: str
    """``unchanged``, ``from theirs``, ``average weights=0.7,0.3`` ..."""


def remember(content: bytes, choices: Mapping[str, Choice], repository: Repository) -> None:
    """Note what settled the conflicts of a merged manifest; a note that cannot be written is no reason to stop."""
    if not choices:
        return
    text = json.dumps({"version": 1, "choices": {name: one.as_json() for name, one in sorted(choices.items())}})
    oid = repository.finished("hash-object", "-w", "--stdin", stdin=content).stdout.decode().strip()
    identity = ("-c", "user.name=theta", "-c", "user.email=theta")
    repository.finished(*identity, "notes", f"--ref={REF}", "add", "-f", "-F", "-", oid, stdin=text.encode())


def recalled(blob: str, repository: Repository) -> dict[str, str]:
    """What the note of a manifest's blob says of each group: strategy and options as one text."""
    done = repository.finished("notes", f"--ref={REF}", "show", blob)
    try:
        choices = json.loads(done.stdout)["choices"]
        return {name: _text(saved["strategy"], saved["options"]) for name, saved in choices.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _text(strategy: str, options: Mapping[str, object]) -> str:
    return " ".join((strategy, *(f"{name}={value}" for name, value in options.items())))


def origins(merged: Manifest, versions: Versions, noted: Mapping[str, str]) -> list[Origin]:
    """Where each group and value came from: what was noted, else what its digest tells."""
    decisions = (*versions.decisions, *versions.value_decisions)
    return [Origin(decision.name, _origin(decision, merged, noted)) for decision in decisions]


def _origin(decision: Decision, merged: Manifest, noted: Mapping[str, str]) -> str:
    name = decision.name
    if decision.side is None and name in noted and not decision.is_value:
        return noted[name]
    result = merged.groups.get(name) or merged.aliases.get(name) or merged.values.get(name)
    if decision.kind == "unchanged" and _same(result, decision.sides[0]):
        return "unchanged"
    for side, state in enumerate(decision.sides):
        if _same(result, state) and side in decision.changed:
            return f"from {side_name(side)}" if state is not None else f"deleted by {side_name(side)}"
    if _same(result, decision.base):
        return "as in base"
    return "computed; nothing was noted of how"


def _same(result: object, state: object) -> bool:
    """Whether a group of the result is a side's, ties to the same values included."""
    if isinstance(result, Tensor) and isinstance(state, Tensor):
        return (result.dtype, result.shape, result.digest) == (state.dtype, state.shape, state.digest)
    return result == state
