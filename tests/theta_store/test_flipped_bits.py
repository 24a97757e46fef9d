"""A flipped bit in an object of any encoding, or in a manifest, never reaches a checkpoint."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from tests.theta_store.crafted import VALUES
from tests.theta_store.crafted import checkpoint
from tests.theta_store.crafted import stored
from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import parse
from theta_store.checkpoint import StoredCheckpoint
from theta_store.checks import damaged_objects
from theta_store.encodings import blend
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import encoding
from theta_store.encodings import ia3
from theta_store.encodings import low_rank
from theta_store.encodings import sparse
from theta_store.encodings.factors import Factor
from theta_store.objects import ObjectStore
from theta_store.restore import restored

BASE = struct.pack("<4f", 1, 2, 3, 4)
HALF = struct.pack("<4f", *(number / 2 for number in struct.unpack("<4f", BASE)))
ENCODED = {
    "dense": dense.encoded(VALUES, 4),
    "delta": delta.encoded(VALUES, BASE, "F32"),
    "sparse": sparse.encoded(VALUES, BASE, "F32"),
    "blend": blend.encoded(HALF, [BASE], "F32", [0.5]),
    "blend, in part": blend.encoded(VALUES, [BASE], "F32", [0.5]),
    "low-rank": low_rank.encoded(
        "F32", 2.0, Factor("F32", 2, 1, struct.pack("<2f", 1, 2)), Factor("F32", 1, 2, struct.pack("<2f", 3, 4))
    ),
    "ia3": ia3.encoded("F32", 2, Factor("F32", 1, 2, struct.pack("<2f", 2, 3))),
}


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def _with(objects: ObjectStore, name: str) -> StoredCheckpoint:
    """A checkpoint whose one group is stored in this encoding."""
    kind = name.partition(",")[0]
    raw = encoding(kind).decoded(ENCODED[name], [BASE])
    base = stored(objects, BASE)
    honest = checkpoint(objects, values=raw)
    bases = () if kind == "dense" else (base.digest,)
    recipe = Recipe(honest.digest("a"), kind, (objects.write(ENCODED[name]),), bases)
    recipes = {**honest.manifest.recipes, base.digest: base, recipe.digest: recipe}
    return StoredCheckpoint(parse(bytes(replace(honest.manifest, recipes=recipes))), objects)


def _content(found: StoredCheckpoint) -> bytes | None:
    """The file; None where it cannot be restored."""
    try:
        return b"".join(restored(found))
    except Failure:
        return None


@pytest.mark.parametrize("name", ENCODED)
def test_in_an_object_of_any_encoding(objects: ObjectStore, name: str) -> None:
    found = _with(objects, name)
    content = _content(found)
    assert content
    path = objects.path(found.recipe("a").oids[0])
    path.chmod(0o644)
    sound = path.read_bytes()
    for place in range(8 * len(sound)):
        data = bytearray(sound)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        assert _content(found) in (None, content)
    assert list(damaged_objects(objects)) == [path]


def test_in_a_manifest(objects: ObjectStore) -> None:
    found = _with(objects, "delta")
    content = _content(found)
    sound = bytes(found.manifest)
    for place in range(len(sound)):
        data = bytearray(sound)
        data[place] ^= 1 << place % 7
        try:
            manifest = parse(bytes(data))
        except Failure:
            continue
        assert _content(StoredCheckpoint(manifest, objects)) in (None, content)
