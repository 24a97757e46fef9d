"""The repository in which the filter runs: its store, and what it knows of a path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from theta_git.repository import Repository
from theta_store.store import Store
from theta_store.unsettled import Unsettled


@dataclass(frozen=True)
class Clone:
    """One repository and its store."""

    repository: Repository

    @cached_property
    def store(self) -> Store:
        """Where this clone keeps its objects."""
        return Store.at(self.repository.theta_dir)

    @cached_property
    def unsettled(self) -> Unsettled:
        """What a merge left open in its working tree."""
        return Unsettled(self.repository)

    @property
    def temporary(self) -> Path:
        """The folder for what lives no longer than one command."""
        return self.repository.theta_dir / "tmp"

    def earlier_manifests(self, path: str) -> Iterator[bytes]:
        """What the index and HEAD hold at a path."""
        for name in (f":{path}", f"HEAD:{path}"):
            blob = self.repository.blob(name)
            if blob is not None:
                yield blob
