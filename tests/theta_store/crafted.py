"""Checkpoints put together by hand, of one group, sound or not."""

from __future__ import annotations

import json
from dataclasses import replace

from blake3 import blake3

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import parse
from theta_store.checkpoint import StoredCheckpoint
from theta_store.encodings import dense
from theta_store.objects import ObjectStore

VALUES = bytes(range(16))


def stored(objects: ObjectStore, data: bytes) -> Recipe:
    return Recipe(blake3(data).hexdigest(), "dense", (objects.write(dense.encoded(data, 1)),))


def checkpoint(
    objects: ObjectStore, *segments: object, shape: tuple[int, ...] = (4,), values: bytes = VALUES
) -> StoredCheckpoint:
    """A checkpoint with one group, ``a``, and a skeleton of these segments."""
    bones = json.dumps(segments or [["hole", "a", 16]]).encode() + b"\n"
    group, skeleton = stored(objects, values), stored(objects, bones)
    manifest = Manifest(
        format="safetensors",
        groups={"a": Tensor("a", "F32", shape, group.digest)},
        aliases={},
        values={},
        skeleton=skeleton.digest,
        recipes={recipe.digest: recipe for recipe in (group, skeleton)},
    )
    return StoredCheckpoint(parse(bytes(manifest)), objects)


def altered(honest: StoredCheckpoint, digest: str, **changes: object) -> StoredCheckpoint:
    """The same with another recipe for a digest."""
    recipes = dict(honest.manifest.recipes)
    recipes[digest] = replace(recipes[digest], **changes)  # type: ignore[arg-type]
    return StoredCheckpoint(parse(bytes(replace(honest.manifest, recipes=recipes))), honest.objects)
