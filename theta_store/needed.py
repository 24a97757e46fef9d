"""Which objects are needed for what."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from fnmatch import fnmatchcase

from theta_checkpoint.manifest import ANY_VERSION
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import object_ids
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_store.chains import needed


def needed_objects(repository: Repository, blobs: Mapping[str, str]) -> dict[str, str]:
    """Object id to the path of a manifest that names it; ``blobs`` are paths by blob id."""
    found: dict[str, str] = {}
    for blob, text in blobs_beginning(repository, blobs, ANY_VERSION):
        found.update(dict.fromkeys(object_ids(text), blobs[blob]))
    return found


def objects_of(manifest: Manifest, globs: Iterable[str] = ()) -> set[str]:
    """The objects of a checkpoint; with globs, those of the groups whose names match one, and the small ones.

    Small are the skeleton and the sketches. What an encoding leans on is included. Raises
    :class:`theta_store.objects.CorruptObject` for a manifest whose recipes do not fit together.
    """
    patterns = list(globs)
    digests = {
        tensor.digest
        for name, tensor in manifest.groups.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    recipes = needed(manifest.recipes, digests | {manifest.skeleton}).values()
    return {oid for recipe in recipes for oid in recipe.oids} | ({manifest.sketches} if manifest.sketches else set())
