"""Checks of what is stored: every object against its name, every remembered fact against a sound manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import Manifest
from theta_store import sketches
from theta_store.chains import chain
from theta_store.chains import chunks
from theta_store.chunks import WORKERS
from theta_store.objects import ObjectStore
from theta_store.objects import is_sound
from theta_store.store import Store

_OID = re.compile(r"[0-9a-f]{64}")


def stored_objects(folder: Path) -> Iterator[Path]:
    """Every object below one folder of objects."""
    return (path for path in sorted(folder.glob("??/*")) if _OID.fullmatch(path.name))


def damaged_objects(objects: ObjectStore) -> Iterator[Path]:
    """The objects of our own, needed or not, whose SHA-256 is not their name. Reads all of them."""
    paths = [path for folder in (objects.folder, objects.aside) for path in stored_objects(folder)]
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from (path for path, sound in zip(paths, pool.map(is_sound, paths), strict=True) if not sound)


def wrong_memories(manifest: Manifest, store: Store) -> Iterator[str]:
    """What the registry remembers of a sound manifest's groups and is not so, in words."""
    for digest, recipe in store.registry.recipes(list(manifest.recipes)).items():
        if recipe != manifest.recipes[digest] and not _restores(digest, store):
            yield f"the recipe of {digest[:12]} does not restore it"
    true = sketches.stored(manifest.sketches, store.objects)
    known = store.registry.sketches(list(true))
    wrong = (digest for digest, row in known.items() if sketches.row(digest, true[digest]) != row)
    yield from (f"the sketch of {digest[:12]} is not the one of the manifest" for digest in wrong)


def _restores(digest: str, store: Store) -> bool:
    """Whether what the registry knows of a digest restores it, or is not used since objects are not here."""
    recipes = store.recipes([digest])
    try:
        for _ in chunks(chain(recipes, digest), digest, store.objects) if digest in recipes else ():
            pass
    except Failure:
        return False
    return True
