"""Smudge: the checkpoint file for what git stores."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import object_ids
from theta_checkpoint.manifest import parse
from theta_filter.clone import Clone
from theta_store.checkpoint import StoredCheckpoint
from theta_store.restore import restored


@dataclass(frozen=True, slots=True)
class Smudged:
    """What goes to the working tree, and what the user should know."""

    pieces: Iterable[bytes]
    """taking them may raise: nothing of them may be kept then"""
    warning: str | None = None


def smudged(content: bytes, clone: Clone) -> Smudged:
    """The working-tree bytes for a blob.

    What is not a manifest passes through, and so does a manifest whose objects are not here: git commands
    then go on, and nothing is lost.
    """
    if not is_manifest(content):
        return Smudged([content], "not a manifest (committed before it was tracked?); left as it is")
    try:
        manifest = parse(content)
    except BadManifest as error:
        return Smudged([content], f"a damaged manifest, left as it is ({error})")
    missing = [oid for oid in object_ids(content) if oid != manifest.sketches and not clone.store.objects.has(oid)]
    if missing:
        return Smudged([content], _missing_message(manifest, set(missing)))
    return Smudged(_remembered(content, restored(StoredCheckpoint(manifest, clone.store.objects)), clone))


def _remembered(content: bytes, pieces: Iterator[bytes], clone: Clone) -> Iterator[bytes]:
    """The pieces; after the last one, clean will know them again."""
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
        yield piece
    clone.store.registry.remember(manifests=[(hasher.hexdigest(), content)], recipes=parse(content).recipes.values())


def _missing_message(manifest: Manifest, missing: set[str]) -> str:
    groups = [
        name
        for name, tensor in sorted(manifest.groups.items())
        if tensor.digest in manifest.recipes and missing.intersection(manifest.recipes[tensor.digest].oids)
    ]
    what = f"group {groups[0]}" + (f" and {len(groups) - 1} more" if len(groups) > 1 else "") if groups else "skeleton"
    return f"the values of {what} are not here; the file holds its manifest until you type: git theta pull"
