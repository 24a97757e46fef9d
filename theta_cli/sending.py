"""Sending objects to a remote, and what to say when that fails."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Failures
from theta_store.remotes import reasons
from theta_store.remotes.chosen import remote_of
from theta_store.remotes.meter import Meter

_NOWHERE = (
    "neither here nor there; if another remote has it: git theta fetch --all --remote NAME; "
    "else a clone that has it must push first"
)


class NotSent(Failure):
    """Objects that must be on a remote are not."""

    def __init__(self, title: str, failed: Failures, needed: Mapping[str, str]) -> None:
        """``needed`` says which path needs each object."""
        paths = sorted({needed[oid] for oid in failed})
        lines = [f"{len(failed)} objects were not sent to {title}; without them no one can restore {paths[0]}"]
        lines += [f"    {why}" for why in reasons(failed)]
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
    failed = dict.fromkeys(lost, _NOWHERE)
    meter = Meter("sending", sys.stderr)
    try:
        failed |= remote.send(here, meter) if here else {}
    finally:
        meter.close()
    if failed:
        raise NotSent(remote.title, failed, needed)
    return len(needed)
