"""Paths: which files more than one side of a merge changed, and what each version calls them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from theta_git.repository import Repository
from theta_git.trees import empty_tree


@dataclass(frozen=True, slots=True)
class Followed:
    """One file through a merge, renames followed as git follows them."""

    before: str
    """its path in the base; in a side that added it, if the base does not have it"""
    after: str
    """its path once merged: the new one, if a side renamed it"""

    @property
    def paths(self) -> set[str]:
        """Every path it has in some version."""
        return {self.before, self.after}

    def blob(self, commit: str, repository: Repository) -> bytes | None:
        """What a commit has of it under either name; None if it does not have the file."""
        found = repository.blob(f"{commit}:{self.after}")
        return repository.blob(f"{commit}:{self.before}") if found is None else found


def changed_by_several(base: str, sides: Sequence[str], repository: Repository) -> list[Followed]:
    """The files that more than one side changed or renamed since the base, sorted; an empty base has no files."""
    start = base or empty_tree(repository)
    changes = [dict(_changes(start, side, repository)) for side in sides]
    several = {path for change in changes for path in change if sum(path in other for other in changes) > 1}
    return [Followed(path, _renamed(path, changes)) for path in sorted(several)]


def _renamed(path: str, changes: Sequence[dict[str, str]]) -> str:
    return next((change[path] for change in changes if change.get(path, path) != path), path)


def _changes(base: str, side: str, repository: Repository) -> Iterator[tuple[str, str]]:
    """What a side changed: each file's path in the base and in the side."""
    listed = repository.output("diff-tree", "-r", "-z", "--find-renames", "--name-status", base, side)
    fields = iter(os.fsdecode(field) for field in listed.split(b"\0")[:-1])
    for status in fields:
        path = next(fields)
        yield path, next(fields) if status.startswith("R") else path
