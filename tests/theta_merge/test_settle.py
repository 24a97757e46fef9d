"""What is computed does not depend on how it is cut up, ordered or shared out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_merge import compute
from theta_merge import settle
from theta_merge.choices import choice
from theta_merge.outcome import Versions
from theta_store.capture import captured
from theta_store.capture import identified
from theta_store.checkpoint import StoredCheckpoint
from theta_store.store import Store
from theta_store.values import array

NAMES = ("big", "small", "scalar", "empty")
SHAPES = {"big": (600, 301), "small": (7,), "scalar": (), "empty": (0, 4)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "theta")


def checkpoint(seed: int, store: Store) -> Manifest:
    random = numpy.random.default_rng(seed)
    arrays = {name: numpy.asarray(random.standard_normal(SHAPES[name]), numpy.float32) for name in NAMES}
    source = BytesSource(save(arrays))
    return captured(source, identified(source), store)


def merged(store: Store, strategy: str = "average") -> Manifest:
    base, *sides = (checkpoint(seed, store) for seed in range(3))
    versions = Versions(base, tuple(sides))
    one = choice(strategy, {}, 2)
    result = settle.settled(versions, dict.fromkeys(versions.conflicts, one), store)
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


def test_a_merge_that_gives_ours_is_ours_to_the_letter(store: Store) -> None:
    base, ours, theirs = (checkpoint(seed, store) for seed in range(3))
    versions = Versions(base, (ours, theirs))
    one = choice("take-ours", {}, 2)
    assert settle.settled(versions, dict.fromkeys(versions.conflicts, one), store).manifest is ours


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
    settle.settled(versions, dict.fromkeys(versions.conflicts, choice("average", {}, 2)), store)
    assert set(read) == {"small", "scalar"}
