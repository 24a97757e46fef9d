"""Remotes: where objects go and come from, one module per kind.

``lfs`` is the git-lfs server of a git remote, reached by the git-lfs program; ``kvstore`` is a folder of S3,
Google Cloud Storage or a file system, reached by tensorstore. :mod:`theta_store.remotes.chosen` says which one
serves a git remote.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from typing import Protocol

from theta_checkpoint.failure import Failure

Progress = Callable[[int, int], None]
"""called with the number of objects that are done and the number of all"""

Failures = dict[str, str]
"""id of an object that did not get across to why"""


class RemoteFailed(Failure):
    """The remote as a whole cannot be reached or refuses to serve."""


class Remote(Protocol):
    """A place that keeps objects. Every method raises :class:`RemoteFailed`."""

    @property
    def title(self) -> str:
        """what the user knows it by"""
        ...

    def missing(self, oids: Collection[str]) -> set[str]:
        """Those objects that the remote is known not to have; asked of the remote, never remembered."""
        ...

    def send(self, oids: Collection[str], progress: Progress) -> Failures:
        """Send the objects that the remote lacks; the others are only counted."""
        ...

    def fetch(self, oids: Collection[str], progress: Progress) -> Failures:
        """Bring objects here; each is in the store, its SHA-256 verified, or among the failures."""
        ...
