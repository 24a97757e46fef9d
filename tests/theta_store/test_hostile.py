"""Manifests, skeletons and objects that someone made to harm: an error that names the group, and bounded memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.theta_store.crafted import VALUES
from tests.theta_store.crafted import altered
from tests.theta_store.crafted import checkpoint
from tests.theta_store.crafted import stored
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import parse
from theta_checkpoint.skeleton import BadSkeleton
from theta_store import chains
from theta_store import checkpoint as stored_checkpoint
from theta_store import encodings
from theta_store import sketches
from theta_store.checkpoint import StoredCheckpoint
from theta_store.chunks import MAX_CHUNK
from theta_store.encodings import dense
from theta_store.needed import objects_of
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.presence import missing_digests
from theta_store.presence import missing_text
from theta_store.restore import restored


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def test_an_honest_one(objects: ObjectStore) -> None:
    assert b"".join(restored(checkpoint(objects))) == VALUES


def test_a_circle_of_bases(objects: ObjectStore) -> None:
    honest = checkpoint(objects)
    digest = honest.digest("a")
    circle = altered(honest, digest, encoding="delta", bases=(digest,))
    with pytest.raises(CorruptObject, match=r"group a: .* more than 8 bases"):
        list(restored(circle))
    with pytest.raises(CorruptObject, match="more than 8 bases"):
        objects_of(circle.manifest)
    assert missing_text(circle.manifest, objects) is None


def test_a_chain_of_a_hundred_thousand_bases_is_followed_once(objects: ObjectStore) -> None:
    honest = checkpoint(objects)
    digests = [f"{number:064x}" for number in range(100_000)]
    chain = {digest: Recipe(digest, "delta", (), (base,)) for digest, base in pairwise(digests)}
    chain[digests[-1]] = Recipe(digests[-1], "dense", ("0" * 64,))
    manifest = replace(honest.manifest, recipes={**honest.manifest.recipes, **chain})
    assert missing_digests(manifest, objects) == set(digests)
    with pytest.raises(CorruptObject, match="more than 8 bases"):
        chains.chain(manifest.recipes, digests[0])


def test_a_group_that_decodes_to_more_than_it_can_have_is_given_up_at_once(objects: ObjectStore) -> None:
    zeros = objects.write(dense.encoded(bytes(MAX_CHUNK), 1))
    honest = checkpoint(objects)
    for count in (1, 10_000):
        bomb = altered(honest, honest.digest("a"), oids=(zeros,) * count)
        with pytest.raises(CorruptObject, match="group a: it is larger than the 16 bytes"):
            list(restored(bomb))
        with pytest.raises(CorruptObject, match="group a: it is larger than the 16 bytes"):
            list(bomb.chunks("a"))


def test_a_skeleton_larger_than_any_is_given_up(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_checkpoint, "MAX_SKELETON", MAX_CHUNK)
    zeros = objects.write(dense.encoded(bytes(MAX_CHUNK), 1))
    honest = checkpoint(objects)
    bomb = altered(honest, honest.manifest.skeleton, oids=(zeros,) * 10_000)
    with pytest.raises(CorruptObject, match=r"\(skeleton\): it is larger than"):
        next(restored(bomb))


@pytest.mark.parametrize(
    "segments",
    [
        [["hole", "a", 16], ["hole", "a", 16]],
        [["hole", "a", 16]] * 10_000,
        [["hole", "b", 16]],
        [["literal", 0]],
        [["hole", "a", 16], ["hole", "b", 16]],
    ],
)
def test_a_skeleton_must_have_each_group_once(objects: ObjectStore, segments: list[object]) -> None:
    with pytest.raises(CorruptObject, match=r"group [ab]: skeleton and manifest disagree"):
        next(restored(checkpoint(objects, *segments)))


@pytest.mark.parametrize(
    "head",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"7",
        b"[7]",
        b'[["hole"]]',
        b'[["crc32", 0, [[1, 2, 3]]]]',
        b'["',
        b"\xff",
        b"",
    ],
    ids=lambda head: head[:12].decode("ascii", "replace"),
)
def test_a_skeleton_that_is_none(objects: ObjectStore, head: bytes) -> None:
    honest = checkpoint(objects)
    fake = stored(objects, head + b"\n")
    manifest = replace(honest.manifest, skeleton=fake.digest, recipes={**honest.manifest.recipes, fake.digest: fake})
    with pytest.raises(BadSkeleton):
        next(restored(StoredCheckpoint(manifest, objects)))


def test_a_span_of_a_petabyte(objects: ObjectStore) -> None:
    honest = checkpoint(objects)
    assert b"".join(restored(altered(honest, honest.digest("a"), span=(0, 10**17)))) == VALUES
    for span in ((10**17, 10), (10**17, 10**17)):
        with pytest.raises(CorruptObject, match="group a"):
            list(restored(altered(honest, honest.digest("a"), span=span)))


def test_a_shape_of_more_elements_than_there_are_atoms(objects: ObjectStore) -> None:
    with pytest.raises(CorruptObject, match="group a: skeleton and manifest disagree"):
        next(restored(checkpoint(objects, shape=(10**17, 10**17, 10**17))))


def test_an_object_that_is_larger_than_any(objects: ObjectStore) -> None:
    honest = checkpoint(objects)
    path = objects.path(honest.recipe("a").oids[0])
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.truncate(50 << 30)
    with pytest.raises(CorruptObject, match=r"group a: .* larger than any"):
        list(restored(honest))


def test_sketches_that_are_damaged_are_as_if_they_were_not_there(objects: ObjectStore) -> None:
    oid = objects.write(bytes(312))
    assert len(sketches.stored(oid, objects)) == 1
    path = objects.path(oid)
    path.chmod(0o644)
    path.write_bytes(b"\1" + bytes(311))
    assert sketches.stored(oid, objects) == {}


@pytest.mark.parametrize(
    "line",
    [
        "object blake3:{0} dense ../../../../etc/passwd",
        "object blake3:{0} dense /etc/passwd",
        "object blake3:{0} ../dense {1}",
        "object blake3:{0} dense at=-1,5 {1}",
        "sketches ../../config",
    ],
)
def test_a_manifest_cannot_name_a_file(objects: ObjectStore, line: str) -> None:
    honest = checkpoint(objects).manifest
    text = bytes(honest) + line.format(honest.skeleton, "0" * 64).encode() + b"\n"
    with pytest.raises(BadManifest, match="not a line of a manifest"):
        parse(text)


@pytest.mark.parametrize("data", [b"", b"\0" * 16, b"\2\1\x21\1" + b"\xff" * 12, b"f", b"i" + b"\xff" * 40])
@pytest.mark.parametrize("encoding", list(encodings.MODULES))
def test_an_object_of_noise(objects: ObjectStore, data: bytes, encoding: str) -> None:
    honest = checkpoint(objects)
    base = stored(objects, VALUES[::-1])
    noise = replace(
        honest.manifest.recipes[honest.digest("a")],
        encoding=encoding,
        oids=(objects.write(data),),
        bases=() if encoding == "dense" else (base.digest,),
    )
    recipes = {**honest.manifest.recipes, base.digest: base, noise.digest: noise}
    with pytest.raises(CorruptObject, match="group a"):
        list(restored(StoredCheckpoint(replace(honest.manifest, recipes=recipes), objects)))
