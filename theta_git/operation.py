"""The git operation that stopped for conflicts and waits to be told to go on."""

from __future__ import annotations

from dataclasses import dataclass

from theta_git.repository import Repository


@dataclass(frozen=True, slots=True)
class Operation:
    """What waits, and what the user types."""

    name: str
    """what was typed after ``git``"""
    go_on: str
    """the command that finishes it once nothing is in conflict"""
    abort: str
    """the command that brings back what was before it"""


def _sequence(name: str) -> Operation:
    return Operation(name, f"git {name} --continue", f"git {name} --abort")


_MARKS = {
    "rebase-merge": _sequence("rebase"),
    "rebase-apply/applying": _sequence("am"),
    "rebase-apply": _sequence("rebase"),
    "CHERRY_PICK_HEAD": _sequence("cherry-pick"),
    "REVERT_HEAD": _sequence("revert"),
    "MERGE_HEAD": Operation("merge", "git commit", "git merge --abort"),
    "SQUASH_MSG": Operation("merge --squash", "git commit", "git reset --merge"),
}
"""what lies in the git folder while an operation waits; the first counts, since a rebase picks and merges"""


def waiting(repository: Repository) -> Operation | None:
    """The operation that waits in this working tree; None after ``git stash pop`` and others that do not."""
    return next((one for mark, one in _MARKS.items() if (repository.git_dir / mark).exists()), None)
