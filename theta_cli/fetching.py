"""Fetching objects from a remote, and what to say of those that did not come."""

from __future__ import annotations

import sys
from collections.abc import Collection
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import Manifest
from theta_cli.inventory import parsed
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_store.objects import ObjectStore
from theta_store.presence import missing_text
from theta_store.remotes import ABSENT
from theta_store.remotes import Failures
from theta_store.remotes import RemoteFailed
from theta_store.remotes import reasons
from theta_store.remotes.chosen import NoRemote
from theta_store.remotes.meter import Meter
from theta_store.remotes.sources import brought


class ObjectsMissing(Failure):
    """Values that are neither here nor on the remote."""

    def __init__(self, lacking: Mapping[str, str], failures: Failures) -> None:
        """``lacking`` says for each path what is missing, ``failures`` why it did not come."""
        lines = [f"{path}: not here: {what}" for path, what in lacking.items()]
        if all(answer.endswith(ABSENT) for why in failures.values() for answer in why.split("; ")):
            hint = "a clone that has them can send them: git theta push; or copy .git/theta/objects from it"
        else:
            hint = "nothing is lost; to try again, type: git theta pull"
        super().__init__("\n".join([*lines, *(f"    {why}" for why in reasons(failures)), hint]))


def fetched(repository: Repository, objects: ObjectStore, wanted: Collection[str], name: str | None) -> Failures:
    """Fetch those of the wanted objects that are not here; why the others did not come.

    ``name`` is the remote, None for any; that there is none, or that all of it fails, is one more reason.
    """
    lacking = [oid for oid in wanted if not objects.has(oid)]
    if not lacking:
        return {}
    meter = Meter("fetching", sys.stderr)
    try:
        return brought(repository, objects, lacking, name, meter)
    except (NoRemote, RemoteFailed) as error:
        return dict.fromkeys(lacking, str(error))
    finally:
        meter.close()


def lacking(repository: Repository, objects: ObjectStore, blobs: Mapping[str, str]) -> dict[str, str]:
    """What is not here of the checkpoints in these blobs, which are given with their paths, by path and blob."""
    found = ((blobs[oid], oid, parsed(text)) for oid, text in blobs_beginning(repository, blobs, HEAD))
    texts = {
        f"{git_path(path)} ({oid[:10]})": missing_text(manifest, objects)
        for path, oid, manifest in found
        if isinstance(manifest, Manifest)
    }
    return {path: text for path, text in texts.items() if text}
