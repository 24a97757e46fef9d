"""Deleting objects here that a remote keeps, and what to say of those that it does not give back."""

from __future__ import annotations

import sys
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from theta_checkpoint.printable import counted
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import ABSENT
from theta_store.remotes import Failures
from theta_store.remotes import Remote
from theta_store.remotes import reasons
from theta_store.remotes.chosen import default_remote
from theta_store.remotes.meter import Meter
from theta_store.sweep import delete

_PART = 1000
"""objects that are read back before those of them that are sound are deleted"""


@dataclass
class Pruned:
    """What became of objects that need not be here if the remote has them."""

    title: str = ""
    """the remote's"""
    gone: dict[str, int] = field(default_factory=dict)
    """those that came back from the remote as they should be, by SHA-256, with their sizes in bytes"""
    failures: Failures = field(default_factory=dict)
    """why the others stay"""

    @property
    def is_amiss(self) -> bool:
        """Whether more is wrong than that some objects were never sent."""
        return any(why != ABSENT for why in self.failures.values())

    def facts(self) -> dict[str, object]:
        """For JSON."""
        return {
            "on_remote": {"objects": len(self.gone), "bytes": sum(self.gone.values())},
            "not_on_remote": self.failures,
        }

    def told(self, dry: bool) -> list[str]:
        """The same in lines; ``dry`` is whether nothing was deleted."""
        lines = []
        if self.gone:
            size = f"{counted(len(self.gone), 'object')}, {sum(self.gone.values()):,} bytes"
            done = "would be deleted" if dry else "deleted"
            lines.append(f"of these, {size}: {done} here; {self.title} gave them back as they should be")
        if self.failures:
            count = counted(len(self.failures), "object")
            lines.append(f"of these, {count}: kept, since {self.title} did not give them back:")
            lines += [f"    {why}" for why in reasons(self.failures)]
            lines.append("to send what it lacks, type: git theta push --all")
        return lines


def pruned(
    repository: Repository, objects: ObjectStore, sizes: Mapping[str, int], name: str | None, dry: bool
) -> Pruned:
    """Delete these objects of the store, by SHA-256, that the remote gives back whole; ``dry``: only read them.

    A part of them at a time: what was done stays done when the command is interrupted.
    """
    if not sizes:
        return Pruned()
    remote = default_remote(repository, objects, name)
    found = Pruned(remote.title)
    names = sorted(sizes)
    meter = Meter("reading back", sys.stderr)
    try:
        for start in range(0, len(names), _PART):
            part = {f"{name}:{sizes[name]}": name for name in names[start : start + _PART]}
            failed = _not_given_back(remote, part, meter, start, len(names))
            sound = {name: sizes[name] for oid, name in part.items() if oid not in failed}
            if not dry:
                delete(objects, sound)
            found.gone |= sound
            found.failures |= failed
    finally:
        meter.close()
    return found


def _not_given_back(remote: Remote, oids: Collection[str], meter: Meter, before: int, total: int) -> Failures:
    """Why some objects did not come back; the meter counts those ``before`` these as well."""
    return remote.read_back(oids, lambda done, _: meter(before + done, total))
