"""Where objects are that are not here: which remote says that it has them."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_git import remotes
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.objects import size_of
from theta_store.remotes.chosen import remote_of


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the remotes say of objects."""

    held: Mapping[str, set[str]]
    """for each remote that has some, which; each object is that of the first that has it"""
    silent: tuple[str, ...]
    """the remotes that could not be asked, and why"""

    @property
    def every(self) -> set[str]:
        """All that some remote has."""
        return {oid for oids in self.held.values() for oid in oids}

    def counts(self, wanted: Collection[str]) -> dict[str, int]:
        """For each remote, how many of these objects it has; without those that have none."""
        found = {name: len(oids.intersection(wanted)) for name, oids in self.held.items()}
        return {name: count for name, count in found.items() if count}


def asked(repository: Repository, objects: ObjectStore, oids: Collection[str]) -> Elsewhere:
    """Ask the remotes, the default one first, for objects that are not here. Nothing is transferred."""
    held: dict[str, set[str]] = {}
    silent = []
    left = set(oids)
    for name in remotes.in_order(repository):
        if not left:
            break
        try:
            # no server can be asked for an object of unknown length
            there = {oid for oid in left - remote_of(repository, objects, name).missing(left) if size_of(oid)}
        except (Failure, OSError) as error:
            silent.append(f"{name} could not be asked: {error}")
            continue
        if there:
            held[name] = there
            left -= there
    return Elsewhere(held, tuple(silent))


def told(counts: Mapping[str, int], default: str | None) -> list[str]:
    """How many objects of other versions each remote has and this clone has not, and what brings them here."""
    lines = []
    for name, count in counts.items():
        command = ["git", "theta", "fetch", "--all", *([] if name == default else ["--remote", name])]
        lines.append(
            f"{counted(count, 'object')} of other versions: not fetched from {name}, which has them; "
            f"to get them, type: {shlex.join(command)}"
        )
    return lines
