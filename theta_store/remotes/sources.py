"""Where objects come from: what others pushed into this very repository, then one remote after the other.

A merge may need values that only the remote of the other branch has, and a checkout of that branch as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from theta_git import remotes
from theta_git.repository import Repository
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.remotes import Failures
from theta_store.remotes import Progress
from theta_store.remotes import Remote
from theta_store.remotes import RemoteFailed
from theta_store.remotes.chosen import NoRemote
from theta_store.remotes.chosen import remote_of
from theta_store.remotes.lfs import place_in


def brought(
    repository: Repository, objects: ObjectStore, oids: Collection[str], name: str | None, progress: Progress
) -> Failures:
    """Bring objects here from the first place that has each; why the others did not come, as each place says.

    The places are the remote of that name; without a name the one from which objects come by default, and then all
    others. Raises :class:`NoRemote` if there is none.
    """
    _take_received(repository, objects, oids)
    failures = {oid: "" for oid in oids if not objects.has(oid)}
    for place in _places(repository, objects, name) if failures else ():
        found = _told(place, failures, progress) if failures else {}
        failures = {oid: "; ".join(filter(None, (failures[oid], why))) for oid, why in found.items()}
    return failures


def _places(repository: Repository, objects: ObjectStore, name: str | None) -> list[Remote]:
    if name:
        return [remote_of(repository, objects, name)]
    names = remotes.in_order(repository)
    if not names:
        raise NoRemote("there is no remote to fetch them from; to name one, type: git remote add origin URL")
    return [remote_of(repository, objects, name) for name in names]


def _told(place: Remote, oids: Collection[str], progress: Progress) -> Failures:
    """Fetch objects from one place; why some did not come, with the name of the place."""
    try:
        return {oid: f"{place.title}: {why}" for oid, why in place.fetch(list(oids), progress).items()}
    except RemoteFailed as error:
        return dict.fromkeys(oids, str(error))


def _take_received(repository: Repository, objects: ObjectStore, oids: Collection[str]) -> None:
    """Take what others pushed into this repository, where git-lfs put it."""
    received = ((place_in(repository.common_dir, oid), oid) for oid in oids)
    for place, oid in received:
        if place.is_file():
            with contextlib.suppress(CorruptObject):
                objects.adopt(place, oid)
