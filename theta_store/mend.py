"""Mending a store: damaged and missing objects are replaced from remotes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from collections.abc import Iterable
from pathlib import Path

from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Progress
from theta_store.remotes.chosen import NoRemote
from theta_store.remotes.sources import brought


def mended(
    repository: Repository, objects: ObjectStore, damaged: Iterable[Path], wanted: Collection[str], progress: Progress
) -> int:
    """Replace damaged objects and fetch wanted ones from the first remote that has them; how many came.

    A damaged object for which there is no better copy stays where it is.
    """
    moved = {path: path.rename(path.with_name(f"{path.name}.damaged")) for path in damaged}
    lacking = {oid for oid in wanted if not objects.has(oid)}
    try:
        failures = brought(repository, objects, lacking, None, progress)
    except NoRemote as error:
        failures = dict.fromkeys(lacking, str(error))
    for path, place in moved.items():
        if objects.has(path.name):
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        else:
            place.rename(path)
    return len(lacking) - len(failures)
