"""Sending objects to a remote, and what to say when that fails."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Failures
from theta_store.remotes.chosen import remote_of
from theta_store.remotes.meter import Meter


class NotSent(Failure):
    """Objects that must be on a remote are not."""

    def __init__(self, title: str, failed: Failures, needed: Mapping[str, str]) -> None:
        """``needed`` says which path needs each object."""
        paths = sorted({needed[oid] for oid in failed})
        lines = [f"{len(failed)} objects were not sent to {title}; without them no one can restore {paths[0]}"]
        lines += [f"    {why}" for why in dict.fromkeys(failed.values())]
        lines += ["nothing is lost; to try again, type: git theta push"]
        super().__init__("\n".join(lines))


def sent(repository: Repository, name: str, needed: Mapping[str, str]) -> int:
    """Send what a remote lacks of these objects, each given with a path that needs it; how many there are.

    An object that is not here is no failure if the remote has it. Raises :class:`NotSent`.
    """
    if not needed:
        return 0
    objects = ObjectStore(repository.theta_dir / "objects")
    remote = remote_of(repository, objects, name)
    here = [oid for oid in needed if objects.has(oid)]
    lost = remote.missing(needed.keys() - set(here)) if len(here) < len(needed) else set()
    failed = dict.fromkeys(lost, "neither here nor there; a clone that has them must push first")
    meter = Meter("sending", sys.stderr)
    failed |= remote.send(here, meter) if here else {}
    meter.close()
    if failed:
        raise NotSent(remote.title, failed, needed)
    return len(needed)
