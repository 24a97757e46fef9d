"""Sending objects to a remote, and what to say when that fails."""

from __future__ import annotations

import sys
from collections.abc import Collection
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import ANY_VERSION
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import object_ids
from theta_checkpoint.printable import counted
from theta_cli.inventory import parsed
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_store.needed import needed_objects
from theta_store.objects import ObjectStore
from theta_store.presence import text_of
from theta_store.remotes import Failures
from theta_store.remotes import Remote
from theta_store.remotes import RemoteFailed
from theta_store.remotes import reasons
from theta_store.remotes.chosen import remote_of
from theta_store.remotes.meter import Meter
from theta_store.store import Store

_NOWHERE = (
    "neither here nor there; if another remote has it: git theta fetch --all --remote NAME; "
    "else a clone that has it must push first"
)


class NotSent(Failure):
    """Objects that must be on a remote are not."""

    def __init__(self, title: str, failed: Failures, lost: str) -> None:
        """``lost`` says which checkpoint cannot be restored without them, and what of it."""
        lines = [f"{counted(len(failed), 'object')} not sent to {title}; without them no one can restore {lost}"]
        lines += [f"    {why}" for why in reasons(failed)]
        lines += ["nothing is lost; to try again, type: git theta push"]
        super().__init__("\n".join(lines))


def sent(repository: Repository, name: str, blobs: Mapping[str, str]) -> int:
    """Send what a remote lacks of the objects that these blobs, given with their paths, name; how many there are.

    An object that is not here is no failure if the remote has it. Raises :class:`NotSent`.
    """
    needed = needed_objects(repository, blobs)
    if not needed:
        return 0
    objects = Store.at(repository.theta_dir).objects
    remote = remote_of(repository, objects, name)
    meter = Meter("sending", sys.stderr)
    try:
        failed = _not_sent(remote, objects, needed, meter)
    except RemoteFailed as error:
        failed = dict.fromkeys(needed, str(error))
    finally:
        meter.close()
    if failed:
        raise NotSent(remote.title, failed, _lost(repository, blobs, failed))
    return len(needed)


def _not_sent(remote: Remote, objects: ObjectStore, needed: Collection[str], meter: Meter) -> Failures:
    here = [oid for oid in needed if objects.has(oid)]
    lost = remote.missing(set(needed).difference(here)) if len(here) < len(needed) else set()
    return dict.fromkeys(lost, _NOWHERE) | (remote.send(here, meter) if here else {})


def _lost(repository: Repository, blobs: Mapping[str, str], failed: Failures) -> str:
    """The first checkpoint that needs one of these objects, and what of it."""
    for blob, text in blobs_beginning(repository, sorted(blobs, key=lambda blob: blobs[blob]), ANY_VERSION):
        if not failed.keys().isdisjoint(object_ids(text)):
            manifest = parsed(text)
            lost = text_of(manifest, failed) if isinstance(manifest, Manifest) else None
            return f"{git_path(blobs[blob])}{f': {lost}' if lost else ''}"
    return "a checkpoint"
