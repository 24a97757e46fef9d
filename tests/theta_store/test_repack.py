from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_store.capture import captured
from theta_store.chains import chain
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.repack import repacked
from theta_store.restore import restored
from theta_store.store import Store

RANDOM = numpy.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((100, 200)).astype("f4")


def saved(weight: NDArray[numpy.float32]) -> bytes:
    return save({"weight": weight})


def walk(steps: int) -> list[bytes]:
    """The versions of a checkpoint that drifts away from the first."""
    return [saved(WEIGHT * numpy.float32(1 + step / 1000)) for step in range(steps)]


def captures(files: list[bytes], store: Store) -> list[Manifest]:
    manifests: list[Manifest] = []
    for data in files:
        source = BytesSource(data)
        manifests.append(captured(source, identified(source), store, manifests[-1] if manifests else None))
    return manifests


def straight(files: list[bytes], store: Store) -> list[Manifest]:
    """As :func:`captures`, every version leaning on the one before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theta_store.bases._LEVEL", -10.0)
        return captures(files, store)


def depth(manifest: Manifest) -> int:
    return len(chain(manifest.recipes, manifest.groups["weight"].digest)) - 1


def contents(manifests: list[Manifest], store: Store) -> list[bytes]:
    return [b"".join(restored(StoredCheckpoint(manifest, store.objects))) for manifest in manifests]


def test_chains_become_shorter_for_what_is_added_next(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    *files, last = walk(8)
    manifests = straight(files, store)
    assert depth(manifests[-1]) == 6
    done = repacked(manifests, store)
    assert (done.groups > 0, done.deepest_before) == (True, 6)
    assert done.deepest <= 3
    source = BytesSource(last)
    following = captured(source, identified(source), store, manifests[-1])
    assert depth(following) <= 4
    assert contents([*manifests, following], store) == [*files, last]


def test_what_manifests_name_stays_as_it_is(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    files = walk(6)
    manifests = straight(files, store)
    before = {path: path.read_bytes() for path in (tmp_path / "objects").rglob("*") if path.is_file()}
    repacked(manifests, store)
    assert all(path.read_bytes() == data for path, data in before.items())
    assert contents(manifests, store) == files


def test_a_second_repack_finds_nothing(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    manifests = straight(walk(6), store)
    repacked(manifests, store)
    assert repacked(manifests, store).groups == 0


def test_a_nearer_version_of_another_branch_becomes_the_base(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    far = (WEIGHT + 0.1 * RANDOM.standard_normal(WEIGHT.shape)).astype(numpy.float32)
    near = (far + 1e-5 * RANDOM.standard_normal(WEIGHT.shape)).astype(numpy.float32)
    # each as a clone adds it that has never seen the other branch
    (base,) = captures([saved(WEIGHT)], store)
    (tmp_path / "known.sqlite").unlink()
    (other,) = captures([saved(far)], store)
    (tmp_path / "known.sqlite").unlink()
    source = BytesSource(saved(near))
    ours = captured(source, identified(source), store, base)
    digest = ours.groups["weight"].digest
    assert ours.recipes[digest].bases == (base.groups["weight"].digest,)
    assert repacked([base, other, ours], store).groups == 1
    assert store.recipes([digest])[digest].bases == (other.groups["weight"].digest,)


def test_what_is_not_here_is_left_alone(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    manifests = straight(walk(5), store)
    first = manifests[0]
    store.objects.path(first.recipes[first.groups["weight"].digest].oids[0]).unlink()
    assert repacked(manifests, store).groups == 0


def test_what_follows_from_others_stays_as_it_is(tmp_path: Path) -> None:
    """A blend is deeper than a difference, and all but free."""
    store = Store.at(tmp_path)
    ours, theirs = ((WEIGHT + 0.01 * RANDOM.standard_normal(WEIGHT.shape)).astype("f4") for _ in range(2))
    files = [saved(one) for one in (WEIGHT, ours, theirs, (ours + theirs) / 2)]
    manifests = captures(files, store)
    digest = manifests[-1].groups["weight"].digest
    assert manifests[-1].recipes[digest].encoding == "blend"
    repacked(manifests, store)
    assert store.recipes([digest])[digest] == manifests[-1].recipes[digest]
    assert contents(manifests, store) == files
