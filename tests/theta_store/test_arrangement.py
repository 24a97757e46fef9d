from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_store.arrangement import rearranged
from theta_store.capture import captured
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.restore import restored
from theta_store.store import Store

RANDOM = numpy.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((100, 200)).astype("f4")


def near(weight: NDArray[numpy.float32], distance: float = 1e-4) -> NDArray[numpy.float32]:
    return (weight + distance * RANDOM.standard_normal(weight.shape)).astype(numpy.float32)


def alone(weights: list[NDArray[numpy.float32]], folder: Path) -> dict[str, Manifest]:
    """The manifests of versions that do not lean on each other, by their number."""
    made = {}
    for number, weight in enumerate(weights):
        (folder / "known.sqlite").unlink(missing_ok=True)
        source = BytesSource(save({"weight": weight}))
        made[str(number)] = captured(source, identified(source), Store.at(folder))
    return made


def chain_of(manifest: Manifest) -> list[str]:
    return [recipe.digest for recipe in chain(manifest.recipes, manifest.groups["weight"].digest)]


def test_an_older_version_leans_on_a_newer_one(tmp_path: Path) -> None:
    old = alone([WEIGHT, near(WEIGHT)], tmp_path)
    done = rearranged(old, Store.at(tmp_path).objects)
    assert (done.groups, list(done.manifests)) == (1, ["0"])
    assert chain_of(done.manifests["0"])[1:] == chain_of(old["1"])


def test_each_leans_on_one_of_its_own_family(tmp_path: Path) -> None:
    other = RANDOM.standard_normal(WEIGHT.shape).astype("f4")
    old = alone([WEIGHT, other, near(WEIGHT), near(other)], tmp_path)
    new = old | rearranged(old, Store.at(tmp_path).objects).manifests
    families = [{old[number].groups["weight"].digest for number in pair} for pair in ("02", "13")]
    assert [any(set(chain_of(new[str(n)])) <= family for family in families) for n in range(4)] == [True] * 4
    assert sorted(len(chain_of(one)) for one in new.values()) == [1, 1, 2, 2]


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_no_chain_grows_too_long_and_every_file_comes_back(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theta_store.bases._LEVEL", 0.0)
    weights = [WEIGHT]
    for _ in range(24):
        weights.append(near(weights[-1]))
    old = alone(weights if order == "forwards" else weights[::-1], tmp_path)
    objects = Store.at(tmp_path).objects
    files = [b"".join(restored(StoredCheckpoint(one, objects))) for one in old.values()]
    new = old | rearranged(old, objects).manifests
    assert 2 < max(len(chain_of(one)) for one in new.values()) <= MAX_DEPTH + 1
    assert [b"".join(restored(StoredCheckpoint(new[name], objects))) for name in old] == files


def test_what_has_nothing_in_common_stays_as_it_is(tmp_path: Path) -> None:
    old = alone([RANDOM.standard_normal(WEIGHT.shape).astype("f4") for _ in range(3)], tmp_path)
    done = rearranged(old, Store.at(tmp_path).objects)
    assert (done.groups, done.manifests) == (0, {})


def test_a_sum_of_two_others_leans_on_both(tmp_path: Path) -> None:
    ours, theirs = near(WEIGHT, 1e-2), near(WEIGHT, 1e-2)
    old = alone([(ours + theirs) / numpy.float32(2), WEIGHT, ours, theirs], tmp_path)
    objects = Store.at(tmp_path).objects
    files = [b"".join(restored(StoredCheckpoint(one, objects))) for one in old.values()]
    new = old | rearranged(old, objects).manifests
    sides = {old[number].groups["weight"].digest for number in "23"}
    digest = new["0"].groups["weight"].digest
    assert set(new["0"].recipes[digest].bases) == sides
    assert [b"".join(restored(StoredCheckpoint(new[name], objects))) for name in old] == files
