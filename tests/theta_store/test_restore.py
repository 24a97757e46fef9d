"""Skeletons come from colleagues' commits: what they ask for is held against the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from theta_checkpoint import formats
from theta_checkpoint import skeleton
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_store import checkpoint
from theta_store.checkpoint import StoredCheckpoint
from theta_store.encodings import dense
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.restore import restored


def stored(folder: Path, segments: list[Segment]) -> StoredCheckpoint:
    """A checkpoint of one group ``a`` of four bytes in a file of these segments."""
    objects = ObjectStore(folder)
    recipes = {}
    for data in (b"abcd", skeleton.encoded(segments)):
        digest = blake3(data).hexdigest()
        recipes[digest] = Recipe(digest, "dense", (objects.write(dense.encoded(data, 1)),))
    values, bones = recipes
    groups = {"a": Tensor("a", "U8", (4,), values)}
    return StoredCheckpoint(Manifest("opaque", groups, {}, {}, bones, recipes), objects)


def test_segments_are_poured_in_order(tmp_path: Path) -> None:
    found = stored(tmp_path, [Literal(b"<"), Hole("a", 4), Literal(b">")])
    assert b"".join(restored(found)) == b"<abcd>"


@pytest.mark.parametrize(
    "segments",
    [[], [Hole("a", 4)] * 2, [Hole("a", 3)], [Hole("b", 4)], [Hole("a", 4), Hole("b", 0)]],
    ids=["no hole", "twice", "too short", "another", "one more"],
)
def test_a_skeleton_that_does_not_fit_its_manifest_is_refused(tmp_path: Path, segments: list[Segment]) -> None:
    with pytest.raises(CorruptObject, match=r"group [ab]: skeleton and manifest disagree"):
        list(restored(stored(tmp_path, segments)))


def test_a_skeleton_larger_than_any_checkpoint_has_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stored(tmp_path, [Literal(b"x" * 1000), Hole("a", 4)])
    recipe = found.manifest.recipes[found.manifest.skeleton]
    many = {**found.manifest.recipes, recipe.digest: replace(recipe, oids=recipe.oids * 1_000_000)}
    monkeypatch.setattr(checkpoint, "MAX_SKELETON", formats.MAX_SKELETON >> 12)
    with pytest.raises(CorruptObject, match="larger than"):
        StoredCheckpoint(replace(found.manifest, recipes=many), found.objects).skeleton()
