"""What is computed does not depend on how it is cut up, ordered or shared out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import parse
from theta_merge import compute
from theta_merge import settle
from theta_merge.choices import choice
from theta_merge.outcome import Versions
from theta_store.capture import captured
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.reading import FileChanged
from theta_store.store import Store
from theta_store.values import array

NAMES = ("big", "small", "scalar", "empty")
SHAPES = {"big": (600, 301), "small": (7,), "scalar": (), "empty": (0, 4)}


def names(versions: Versions) -> list[str]:
    return [conflict.name for conflict in versions.conflicts]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "theta")


def checkpoint(seed: int, store: Store, dtype: type[numpy.floating[Any]] = numpy.float32) -> Manifest:
    random = numpy.random.default_rng(seed)
    arrays = {name: numpy.asarray(random.standard_normal(SHAPES[name]), dtype) for name in NAMES}
    return stored(arrays, store)


def stored(arrays: dict[str, Any], store: Store) -> Manifest:
    source = BytesSource(save(arrays))
    return captured(source, identified(source), store)


def merged(store: Store, strategy: str = "average") -> Manifest:
    base, *sides = (checkpoint(seed, store) for seed in range(3))
    versions = Versions(base, tuple(sides))
    one = choice(strategy, {}, 2)
    result = settle.settled(versions, dict.fromkeys(names(versions), one), store)
    assert not result.open
    return result.manifest


@pytest.mark.parametrize("strategy", ["average", "ties", "slerp"])
def test_neither_threads_nor_slices_change_a_bit(store: Store, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    expected = merged(store, strategy)
    monkeypatch.setattr(settle, "WORKERS", 1)
    monkeypatch.setattr(compute, "chunk_length", lambda dtype, shape: 301 * 4)
    assert merged(store, strategy).root == expected.root


def test_the_merged_manifest_is_complete_and_has_its_sketches(store: Store) -> None:
    found = merged(store)
    assert {*(tensor.digest for tensor in found.groups.values()), found.skeleton} <= found.recipes.keys()
    stored = StoredCheckpoint(found, store.objects)
    assert {tensor.digest for tensor in found.groups.values()} == stored.sketches.keys()
    versions = [StoredCheckpoint(checkpoint(seed, store), store.objects) for seed in (1, 2)]
    wanted = (array(versions[0], "big") + array(versions[1], "big")) / 2
    numpy.testing.assert_allclose(array(stored, "big"), wanted, rtol=1e-6, atol=1e-7)
    norm = stored.sketches[found.groups["big"].digest].norm
    assert norm == pytest.approx(numpy.linalg.norm(wanted), rel=1e-5)


def test_side_data_that_is_written_to_meanwhile_is_refused(store: Store, tmp_path: Path) -> None:
    base, *sides = (checkpoint(seed, store) for seed in range(3))
    files = [tmp_path / "ours.fisher", tmp_path / "theirs.fisher"]
    for file in files:
        file.write_bytes(save({name: numpy.ones(SHAPES[name], numpy.float32) for name in NAMES}))
    versions = Versions(base, tuple(sides))
    fisher = dict.fromkeys(names(versions), choice("fisher", {"fisher": ",".join(map(str, files))}, 2))

    def write_meanwhile(oids: Sequence[str]) -> None:
        os.utime(files[1], ns=(0, 0))

    assert not settle.settled(versions, fisher, store).open
    with pytest.raises(FileChanged, match="the file was written to while it was read"):
        settle.settled(versions, fisher, store, fetch=write_meanwhile)


def size(store: Store) -> int:
    return sum(path.stat().st_size for path in store.objects.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("far", [False, True])
def test_an_average_leans_on_both_sides_and_costs_next_to_nothing(store: Store, far: bool) -> None:
    generator = numpy.random.default_rng(0)
    start = generator.standard_normal((200, 300), numpy.float32)
    sides = [start * (not far) + generator.standard_normal((200, 300), numpy.float32) * 0.01 for _ in range(2)]
    base, ours, theirs = (stored({"w": array.astype(numpy.float32)}, store) for array in (start, *sides))
    before = size(store)
    found = settle.settled(Versions(base, (ours, theirs)), {"w": choice("average", {}, 2)}, store).manifest
    recipe = found.recipes[found.groups["w"].digest]
    assert recipe.encoding == "blend"
    assert set(recipe.bases) == {ours.groups["w"].digest, theirs.groups["w"].digest}
    assert found.recipes.keys() >= set(recipe.bases)
    assert parse(bytes(found)) == found
    assert size(store) - before < 1500
    numpy.testing.assert_allclose(array(StoredCheckpoint(found, store.objects), "w"), sum(sides) / 2, rtol=1e-5)


def test_a_merge_that_is_no_sum_leans_on_the_nearest_version(store: Store) -> None:
    generator = numpy.random.default_rng(0)
    start = generator.standard_normal((200, 300), numpy.float32)
    near = [start + generator.standard_normal((200, 300), numpy.float32) * 1e-5 for _ in range(2)]
    base, ours, theirs = (stored({"w": array}, store) for array in (start, *near))
    versions = Versions(base, (ours, theirs))
    found = settle.settled(versions, {"w": choice("ties", {"density": "0.5"}, 2)}, store).manifest
    recipe = found.recipes[found.groups["w"].digest]
    assert recipe.encoding == "delta"
    assert recipe.bases == (base.groups["w"].digest,)


def test_small_groups_share_an_object(store: Store) -> None:
    names = [f"w{number}" for number in range(20)]
    versions = [{name: numpy.full(9, seed, numpy.float32) + int(name[1:]) for name in names} for seed in range(3)]
    base, *sides = (stored(one, store) for one in versions)
    found = settle.settled(Versions(base, tuple(sides)), dict.fromkeys(names, choice("average", {}, 2)), store).manifest
    assert len({found.recipes[tensor.digest].oids for tensor in found.groups.values()}) == 1
    assert array(StoredCheckpoint(found, store.objects), "w7").tolist() == [8.5] * 9


def test_what_is_not_here_is_fetched_at_once_and_nothing_else(store: Store) -> None:
    base, ours, theirs = (checkpoint(seed, store) for seed in range(3))
    fetched: list[str] = []
    versions = Versions(base, (ours, replace(theirs, groups={**theirs.groups, "big": base.groups["big"]})))
    choices = dict.fromkeys(names(versions), choice("average", {}, 2))
    settle.settled(versions, choices, store, fetch=fetched.extend)
    read = [
        manifest.recipes[manifest.groups[name].digest] for manifest in (ours, theirs) for name in ("small", "scalar")
    ]
    assert set(fetched) >= {oid for recipe in read for oid in recipe.oids}
    assert not set(fetched) & set(ours.recipes[ours.groups["big"].digest].oids)


def test_a_merge_that_gives_ours_is_ours_to_the_letter(store: Store) -> None:
    base, ours, theirs = (checkpoint(seed, store) for seed in range(3))
    versions = Versions(base, (ours, theirs))
    one = choice("take-ours", {}, 2)
    assert settle.settled(versions, dict.fromkeys(names(versions), one), store).manifest is ours


def test_only_groups_in_conflict_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    base, ours, theirs = (checkpoint(seed, store) for seed in range(3))
    quiet = replace(theirs, groups={**theirs.groups, "big": base.groups["big"]})
    read: list[str] = []
    original = StoredCheckpoint.chunks

    def chunks(self: StoredCheckpoint, name: str) -> Iterator[bytes]:
        read.append(name)
        return original(self, name)

    monkeypatch.setattr(StoredCheckpoint, "chunks", chunks)
    versions = Versions(base, (ours, quiet))
    settle.settled(versions, dict.fromkeys(names(versions), choice("average", {}, 2)), store)
    assert set(read) == {"small", "scalar"}


@pytest.mark.parametrize("dtype", [numpy.float16, numpy.float32, numpy.float64])
@pytest.mark.parametrize(("strategy", "size"), [("average", 301 * 4), ("nearswap", 1 << 24), ("slerp", 1 << 24)])
def test_values_of_base_that_do_not_matter_are_not_read(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    size: int,
    dtype: type[numpy.floating[Any]],
) -> None:
    monkeypatch.setattr(compute, "chunk_length", lambda dtype, shape: size)
    ours, theirs = checkpoint(1, store, numpy.float16), checkpoint(2, store)
    roots = []
    for place in (Store.at(tmp_path / "elsewhere"), store):
        versions = Versions(checkpoint(0, place, dtype), (ours, theirs))
        result = settle.settled(versions, dict.fromkeys(names(versions), choice(strategy, {}, 2)), store)
        assert not result.open
        roots.append(result.manifest.root)
    assert roots[0] == roots[1]


@pytest.mark.parametrize(("strategy", "options"), [("task-arithmetic", {}), ("slerp", {"deltas": "true"})])
def test_values_of_base_that_matter_and_are_missing_leave_the_conflict_open(
    store: Store, tmp_path: Path, strategy: str, options: dict[str, object]
) -> None:
    base = checkpoint(0, Store.at(tmp_path / "elsewhere"))
    versions = Versions(base, (checkpoint(1, store), checkpoint(2, store)))
    choices = dict.fromkeys(names(versions), choice(strategy, options, 2))
    found = settle.settled(versions, choices, store)
    assert {item.conflict.name for item in found.open} == set(names(versions))
