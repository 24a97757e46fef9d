"""Which of a manifest's objects are here, and what cannot be restored without the others."""

from __future__ import annotations

from collections.abc import Collection

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import quoted
from theta_store.objects import ObjectStore


def missing_objects(manifest: Manifest, objects: ObjectStore) -> list[str]:
    """Ids of the objects without which the checkpoint cannot be restored and that are not in the store."""
    oids = dict.fromkeys(oid for recipe in manifest.recipes.values() for oid in recipe.oids)
    return [oid for oid in oids if not objects.has(oid)]


def missing_digests(manifest: Manifest, objects: ObjectStore) -> set[str]:
    """Digests of the groups, bases and skeleton that cannot be restored: they or a base of theirs lack an object."""
    return _leaning_on(manifest, set(missing_objects(manifest, objects)))


def missing_text(manifest: Manifest, objects: ObjectStore) -> str | None:
    """What cannot be restored, in words: ``the values of group a and 3 more``; None if everything can."""
    return text_of(manifest, missing_objects(manifest, objects))


def text_of(manifest: Manifest, oids: Collection[str]) -> str | None:
    """What cannot be restored without these objects, in the same words."""
    lacking = _leaning_on(manifest, oids)
    groups = sorted(name for name, tensor in manifest.groups.items() if tensor.digest in lacking)
    if not groups:
        return "the bytes of the skeleton" if lacking else None
    return f"the values of group {quoted(groups[0])}{f' and {len(groups) - 1} more' if groups[1:] else ''}"


def _leaning_on(manifest: Manifest, oids: Collection[str]) -> set[str]:
    """Digests that cannot be restored without these objects."""
    missing = set(oids)
    lacking = {recipe.digest for recipe in manifest.recipes.values() if not missing.isdisjoint(recipe.oids)}
    leaning: dict[str, list[str]] = {}
    for recipe in manifest.recipes.values():
        for base in recipe.bases:
            leaning.setdefault(base, []).append(recipe.digest)
    fresh = lacking
    while fresh := {digest for base in fresh for digest in leaning.get(base, ())} - lacking:
        lacking |= fresh
    return lacking
