"""Remotes: where objects go and come from, one module per kind.

``lfs`` is the git-lfs server of a git remote, reached by the git-lfs program; ``kvstore`` is a folder of S3,
Google Cloud Storage or a file system, reached by tensorstore. :mod:`theta_store.remotes.chosen` says which one
serves a git remote.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Protocol

from theta_checkpoint.failure import Failure

Progress = Callable[[int, int], None]
"""called with the number of objects that are done and the number of all"""

Failures = dict[str, str]
"""id of an object that did not get across to why"""

ABSENT = "the remote does not have it"
"""why an object does not come that no one has sent yet"""

NOT_IT = "what arrived is not what was asked for"
"""why an object is refused whose SHA-256 is another"""

OURS = "what is there is this clone's own store"
"""why a remote is no second place for an object"""


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

    def read_back(self, oids: Collection[str], progress: Progress) -> Failures:
        """Read whole objects from the remote and keep nothing; those that are not there as they should be, and why."""
        ...

    def send(self, oids: Collection[str], progress: Progress) -> Failures:
        """Send the objects that the remote lacks; the others are only counted."""
        ...

    def fetch(self, oids: Collection[str], progress: Progress) -> Failures:
        """Bring objects here; each is in the store, its SHA-256 verified, or among the failures."""
        ...


def reasons(failures: Mapping[str, str]) -> list[str]:
    """Each reason once, with the objects that it holds for: ``object 0123456789ab and 3 more: the disk is full``."""
    oids: dict[str, list[str]] = {}
    for oid, why in failures.items():
        oids.setdefault(why, []).append(oid)
    return [f"object {min(of)[:12]}{f' and {len(of) - 1} more' if of[1:] else ''}: {why}" for why, of in oids.items()]
