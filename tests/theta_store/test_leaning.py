"""Capturing a new version of a checkpoint: what leans on the earlier version, and what that may not cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import parse
from theta_store import chunks
from theta_store.capture import captured
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import depth
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.objects import CorruptObject
from theta_store.restore import restored
from theta_store.store import Store

Array = NDArray[numpy.generic]
RANDOM = numpy.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((200, 300)).astype("f4")
TUNED, OTHER = (WEIGHT + numpy.float32(1e-3) * RANDOM.standard_normal((200, 300)).astype("f4") for _ in range(2))
REST = RANDOM.standard_normal((2000, 300)).astype("f4")
"""what a file holds besides"""


def stored(store: Store, earlier: Manifest | None = None, **groups: Array) -> Manifest:
    """The manifest of a checkpoint with these groups, which restores it byte for byte."""
    data = save(groups)
    source = BytesSource(data)
    manifest = captured(source, identified(source), store, earlier)
    assert b"".join(restored(StoredCheckpoint(manifest, store.objects))) == data
    assert parse(bytes(manifest)) == manifest
    return manifest


def recipe(manifest: Manifest, name: str) -> Recipe:
    return manifest.recipes[manifest.groups[name].digest]


def size(store: Store) -> int:
    return sum(path.stat().st_size for path in store.objects.folder.rglob("*") if path.is_file())


def test_a_fine_tuned_group_leans_on_the_version_before(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT)
    second = stored(store, first, weight=TUNED)
    assert recipe(second, "weight").encoding == "delta"
    assert recipe(second, "weight").bases == (first.groups["weight"].digest,)
    assert second.recipes.keys() >= {first.groups["weight"].digest}


def test_a_group_leans_on_the_nearest_of_its_name_and_shape_in_any_file(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT)
    other = stored(store, weight=RANDOM.standard_normal((200, 300)).astype("f4"))
    copy = stored(store, weight=TUNED)
    assert recipe(other, "weight").encoding == "dense"
    assert recipe(copy, "weight").bases == (base.groups["weight"].digest,)
    back = stored(store, other, weight=TUNED + numpy.float32(1e-3))
    (nearest,) = recipe(back, "weight").bases
    assert nearest in (base.groups["weight"].digest, copy.groups["weight"].digest)


def test_an_average_made_elsewhere_is_known_for_what_it_is(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT, rest=REST)
    ours, theirs = (stored(store, base, weight=one, rest=REST) for one in (TUNED, OTHER))
    before = size(store)
    average = stored(store, ours, weight=(TUNED + OTHER) / 2, rest=REST)
    assert recipe(average, "weight").encoding == "blend"
    assert set(recipe(average, "weight").bases) == {one.groups["weight"].digest for one in (ours, theirs)}
    assert size(store) - before < 2000


@pytest.mark.parametrize("lacks", [0, 1])
def test_a_sum_of_what_is_not_here_or_damaged_is_stored_in_another_way(tmp_path: Path, lacks: int) -> None:
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT, rest=REST)
    sides = [stored(store, base, weight=one, rest=REST) for one in (TUNED, OTHER)]
    path = store.objects.path(recipe(sides[1], "weight").oids[0])
    path.chmod(0o644)
    path.unlink() if lacks else path.write_bytes(store.objects.read(recipe(sides[0], "weight").oids[0]))
    average = stored(store, sides[0], weight=(TUNED + OTHER) / 2, rest=REST)
    assert recipe(average, "weight").encoding in ("dense", "delta")


def test_where_rows_went_a_group_leans_on_the_version_before(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    tuned = stored(store, stored(store, weight=WEIGHT), weight=TUNED)
    before = size(store)
    stored(store, tuned, weight=TUNED[:-20])
    assert size(store) - before < 5000


def test_few_changed_numbers_are_stored_alone(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT)
    before = size(store)
    edited = WEIGHT.copy()
    edited[7, :5] += 1
    assert recipe(stored(store, first, weight=edited), "weight").encoding == "sparse"
    assert size(store) - before < 1500


@pytest.mark.parametrize("step", ["fine-tuned", "merged"])
def test_few_numbers_that_changed_much_are_stored_alone_whatever_the_version_before_leans_on(
    tmp_path: Path, step: str
) -> None:
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT)
    other = WEIGHT * numpy.float32(1.001)
    values = {"fine-tuned": TUNED, "merged": numpy.asarray((TUNED + other) / 2, "f4")}[step]
    before = stored(store, stored(store, base, weight=other), weight=TUNED)
    if step == "merged":
        before = stored(store, before, weight=values)
    edited = values.copy()
    edited[7, :50] += 1
    size_before = size(store)
    found = recipe(stored(store, before, weight=edited), "weight")
    assert (found.encoding, found.bases) == ("sparse", (before.groups["weight"].digest,))
    assert size(store) - size_before < 2000


@pytest.mark.parametrize("why", ["unrelated", "tiny", "other dtype", "other rows", "other name"])
def test_what_would_not_gain_is_stored_densely(tmp_path: Path, why: str) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT[:1, :40] if why == "tiny" else WEIGHT)
    name, new = {
        "unrelated": ("weight", RANDOM.standard_normal(WEIGHT.shape).astype("f4")),
        "tiny": ("weight", TUNED[:1, :40]),
        "other dtype": ("weight", TUNED.astype("f8")),
        "other rows": ("weight", TUNED.reshape(100, 600)),
        "other name": ("bias", TUNED),
    }[why]
    assert recipe(stored(store, first, **{name: numpy.ascontiguousarray(new)}), name).encoding == "dense"


@pytest.mark.parametrize("rows", [216, 184])
def test_rows_that_come_or_go_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK", 50_000)
    store = Store.at(tmp_path)
    more = numpy.concatenate([WEIGHT, RANDOM.standard_normal((16, 300)).astype("f4")])
    first = stored(store, weight=WEIGHT)
    before = size(store)
    second = stored(store, first, weight=more[:rows])
    assert len(recipe(second, "weight").oids) > 3
    assert size(store) - before < 16 * 300 * 4 + 3000


def test_values_stored_before_are_not_stored_again_in_another_way(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    tuned = stored(store, weight=TUNED)
    base = stored(store, weight=WEIGHT)
    assert recipe(stored(store, base, weight=TUNED), "weight") == recipe(tuned, "weight")


def test_fine_tunes_of_one_base_lean_on_it_and_not_on_each_other(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    manifest = base = stored(store, weight=WEIGHT)
    for _ in range(4):
        update = numpy.float32(1e-3) * RANDOM.standard_normal(WEIGHT.shape).astype("f4")
        manifest = stored(store, manifest, weight=WEIGHT + update)
        assert recipe(manifest, "weight").bases == (base.groups["weight"].digest,)


@pytest.mark.parametrize(("much", "rest", "deepest"), [(0, 0, 1), (0, 2000, MAX_DEPTH), (1 << 30, 0, MAX_DEPTH)])
def test_where_much_is_new_a_long_history_makes_no_long_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, much: int, rest: int, deepest: int
) -> None:
    """Even where the version before is always the best base: to restore it would take git add too long."""
    monkeypatch.setattr("theta_store.bases._LEVEL", -10.0)
    monkeypatch.setattr("theta_store.capture._MUCH", much)
    monkeypatch.setattr("theta_store.capture._LARGE", 0)
    assert max(depths(tmp_path, REST[:rest])) == deepest


def depths(folder: Path, rest: Array) -> list[int]:
    """How deep each version of a group is, of a long history in which the rest of the file stays as it is."""
    store = Store.at(folder)
    manifest = stored(store, weight=WEIGHT, rest=rest)
    found = []
    for step in range(2 * MAX_DEPTH):
        manifest = stored(store, manifest, weight=WEIGHT * numpy.float32(1 + step / 1000), rest=rest)
        found.append(depth(chain(manifest.recipes, manifest.groups["weight"].digest)))
    return found


@pytest.mark.parametrize(
    ("rows", "much", "encoding"), [(10, 1 << 30, "dense"), (200, 0, "dense"), (200, 1 << 30, "delta")]
)
def test_a_small_group_leans_on_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, much: int, encoding: str
) -> None:
    """To find out what it is near to takes longer than to store it, and matters where there are many."""
    monkeypatch.setattr("theta_store.capture._MUCH", much)
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT[:rows])
    assert recipe(stored(store, first, weight=TUNED[:rows]), "weight").encoding == encoding


def test_a_manifest_needs_no_other_manifest(tmp_path: Path) -> None:
    """Shallow clones, rebase and squash: a later manifest and its objects are enough."""
    store = Store.at(tmp_path / "here")
    manifest = stored(store, weight=WEIGHT)
    for step in range(3):
        manifest = stored(store, manifest, weight=TUNED * numpy.float32(1 + step / 1e3))
    there = Store.at(tmp_path / "there")
    for oid in [oid for one in manifest.recipes.values() for oid in one.oids]:
        there.objects.write(store.objects.read(oid))
    b"".join(restored(StoredCheckpoint(manifest, there.objects)))


def test_a_missing_base_is_not_leaned_on(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT)
    store.objects.path(recipe(first, "weight").oids[0]).unlink()
    assert recipe(stored(store, first, weight=TUNED), "weight").encoding == "dense"


def test_a_damaged_base_is_not_leaned_on(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT)
    other = stored(store, weight=WEIGHT * 2)
    damaged = store.objects.path(recipe(first, "weight").oids[0])
    damaged.chmod(0o644)
    damaged.write_bytes(store.objects.read(recipe(other, "weight").oids[0]))
    assert recipe(stored(store, first, weight=TUNED), "weight").encoding == "dense"


@pytest.mark.parametrize("lie", ["circle", "wrong base", "no base", "fewer objects", "unknown encoding"])
def test_a_manifest_that_lies_about_its_recipes_gives_no_values(tmp_path: Path, lie: str) -> None:
    store = Store.at(tmp_path)
    first = stored(store, weight=WEIGHT, other=WEIGHT * 2)
    second = stored(store, first, weight=TUNED, other=WEIGHT * 2)
    honest = recipe(second, "weight")
    told = {
        "circle": replace(honest, bases=(honest.digest,)),
        "wrong base": replace(honest, bases=(second.groups["other"].digest,)),
        "no base": replace(honest, bases=()),
        "fewer objects": replace(honest, oids=()),
        "unknown encoding": replace(honest, encoding="magic"),
    }[lie]
    manifest = replace(second, recipes={**second.recipes, honest.digest: told})
    with pytest.raises(CorruptObject, match="group weight"):
        b"".join(restored(StoredCheckpoint(manifest, store.objects)))
    with pytest.raises(CorruptObject, match="group weight"):
        list(StoredCheckpoint(manifest, store.objects).chunks("weight"))
