"""Capturing a new version of a checkpoint: what leans on the earlier version, and what that may not cost."""

from __future__ import annotations

from collections.abc import Collection
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
from theta_store.arrays import numpy_dtype
from theta_store.capture import captured
from theta_store.capture import identified
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import depth
from theta_store.checkpoint import StoredCheckpoint
from theta_store.objects import CorruptObject
from theta_store.restore import restored
from theta_store.store import Store

Array = NDArray[numpy.generic]
RANDOM = numpy.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((200, 300)).astype("f4")
TUNED = WEIGHT + numpy.float32(1e-3) * RANDOM.standard_normal((200, 300)).astype("f4")


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
    base = stored(store, weight=WEIGHT)
    other = WEIGHT + numpy.float32(1e-3) * RANDOM.standard_normal(WEIGHT.shape).astype("f4")
    ours, theirs = (stored(store, base, weight=one) for one in (TUNED, other))
    before = size(store)
    average = stored(store, ours, weight=(TUNED + other) / 2)
    assert recipe(average, "weight").encoding == "blend"
    assert set(recipe(average, "weight").bases) == {one.groups["weight"].digest for one in (ours, theirs)}
    assert size(store) - before < 1500


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_task_arithmetic_made_elsewhere_is_a_sum_of_three(tmp_path: Path, dtype: str) -> None:
    store = Store.at(tmp_path)
    kind = numpy_dtype(dtype)
    base, *sides = (
        WEIGHT.astype(kind),
        *((WEIGHT + numpy.float32(0.1) * RANDOM.standard_normal(WEIGHT.shape)).astype(kind) for _ in range(2)),
    )
    manifests = [stored(store, weight=base)]
    manifests += [stored(store, manifests[0], weight=side) for side in sides]
    wide = [one.astype("f4") for one in (base, *sides)]
    merged = (wide[0] + numpy.float32(0.4) * (wide[1] + wide[2] - 2 * wide[0])).astype(kind)
    found = recipe(stored(store, manifests[1], weight=merged), "weight")
    assert set(found.bases) == {one.groups["weight"].digest for one in manifests}
    assert sum(len(store.objects.read(oid)) for oid in found.oids) < 0.02 * merged.nbytes


def test_a_sum_needs_a_side_that_is_all_but_0(tmp_path: Path) -> None:
    """The moments of an optimizer, where one side has just begun."""
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT)
    other = numpy.asarray(1e-5 * RANDOM.standard_normal(WEIGHT.shape), "f4")
    sides = [stored(store, base, weight=one) for one in (TUNED, other)]
    found = recipe(stored(store, sides[0], weight=(TUNED + other) / numpy.float32(2)), "weight")
    assert set(found.bases) == {one.groups["weight"].digest for one in sides}


def test_sums_of_sums_do_not_become_too_deep(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    weight, depths = WEIGHT, []
    manifest = stored(store, weight=weight)
    for _ in range(5):
        ours, theirs = (
            weight + numpy.float32(1e-3) * RANDOM.standard_normal(WEIGHT.shape).astype("f4") for _ in range(2)
        )
        for side in (ours, theirs):
            manifest = stored(store, manifest, weight=side)
        weight = (ours + theirs) / 2
        manifest = stored(store, manifest, weight=weight)
        depths.append(depth(chain(manifest.recipes, manifest.groups["weight"].digest)))
    assert 2 < max(depths) <= MAX_DEPTH


@pytest.mark.parametrize("lacks", [0, 1])
def test_a_sum_of_what_is_not_here_or_damaged_is_stored_in_another_way(tmp_path: Path, lacks: int) -> None:
    store = Store.at(tmp_path)
    base = stored(store, weight=WEIGHT)
    other = WEIGHT + numpy.float32(1e-3) * RANDOM.standard_normal(WEIGHT.shape).astype("f4")
    sides = [stored(store, base, weight=one) for one in (TUNED, other)]
    path = store.objects.path(recipe(sides[1], "weight").oids[0])
    path.chmod(0o644)
    path.unlink() if lacks else path.write_bytes(store.objects.read(recipe(sides[0], "weight").oids[0]))
    assert recipe(stored(store, sides[0], weight=(TUNED + other) / 2), "weight").encoding in ("dense", "delta")


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


@pytest.mark.parametrize(("level", "deepest"), [(None, range(1, MAX_DEPTH)), (-10.0, [MAX_DEPTH])])
def test_a_long_history_makes_no_long_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: float | None, deepest: Collection[int]
) -> None:
    """Even where the version before is always the best base."""
    if level:
        monkeypatch.setattr("theta_store.bases._LEVEL", level)
    store = Store.at(tmp_path)
    manifest = stored(store, weight=WEIGHT)
    depths = []
    for step in range(2 * MAX_DEPTH):
        manifest = stored(store, manifest, weight=WEIGHT * numpy.float32(1 + step / 1000))
        depths.append(len(chain(manifest.recipes, manifest.groups["weight"].digest)) - 1)
    assert max(depths) in deepest


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
