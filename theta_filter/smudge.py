"""Smudge: the checkpoint file for what git stores."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_filter.clone import Clone
from theta_filter.room import lacking_room
from theta_store import git_theta
from theta_store.checkpoint import StoredCheckpoint
from theta_store.presence import missing_text
from theta_store.restore import restored


@dataclass(frozen=True, slots=True)
class Smudged:
    """What goes to the working tree, and what the user should know."""

    pieces: Iterable[bytes]
    """taking them may raise: nothing of them may be kept then"""
    warning: str | None = None


def smudged(content: bytes, clone: Clone, room: int | None = None) -> Smudged:
    """The working-tree bytes for a blob, for which there is room for so many, if that is known.

    What is not a manifest passes through, and so does a manifest whose objects are not here or whose file does not
    fit: git commands then go on, and nothing is lost. Of a file that does not fit git would leave the first part.
    """
    if not content:
        return Smudged([])
    if not is_manifest(content):
        what = "stored by git-theta 0.2.0; to get the checkpoint, type: git theta migrate PATH"
        known = git_theta.parameters(content) is not None
        return Smudged([content], what if known else "not a manifest (committed before it was tracked?); left as it is")
    try:
        manifest = parse(content)
    except BadManifest as error:
        return Smudged(
            [content], f"a damaged manifest, left as it is ({error}); get a sound one with: git checkout REV -- PATH"
        )
    if missing := missing_text(manifest, clone.store.objects):
        return Smudged([content], f"{missing} are not here; the file holds its manifest until you type: git theta pull")
    checkpoint = StoredCheckpoint(manifest, clone.store.objects)
    if text := lacking_room(checkpoint, room):
        return Smudged([content], f"{text}; the file holds its manifest: make room, then type: git theta pull")
    return Smudged(_remembered(content, checkpoint, clone))


def _remembered(content: bytes, checkpoint: StoredCheckpoint, clone: Clone) -> Iterator[bytes]:
    """The file, piece by piece; after the last one, clean will know it again."""
    manifest = checkpoint.manifest
    yield from restored(checkpoint)
    clone.store.registry.remember(manifests=[(manifest.root, content)], recipes=manifest.recipes.values())
