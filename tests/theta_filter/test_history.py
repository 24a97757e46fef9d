"""A history of versions that lean on one another, through git commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from tests.conftest import Begun
from tests.conftest import Git
from theta_checkpoint.manifest import parse
from theta_cli.main import run
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.objects import ObjectStore

COMMITS = 12


@pytest.fixture
def versions(begun: Begun, git: Git) -> list[bytes]:
    """The file in each of several commits, a fine-tune of the one before."""
    return begun("a long history", lambda: commit(git))


def commit(git: Git) -> list[bytes]:
    random = numpy.random.default_rng(0)
    weight = random.standard_normal((100, 200)).astype("f4")
    versions = []
    for number in range(COMMITS):
        versions.append(save({"weight": weight, "step": numpy.array(number)}))
        Path("model.safetensors").write_bytes(versions[-1])
        git("add", ".")
        git("commit", "--quiet", "--message", f"step {number}")
        weight = weight + numpy.float32(1e-3) * random.standard_normal(weight.shape).astype("f4")
    return versions


def test_every_version_comes_back_and_no_chain_grows_long(versions: list[bytes], repo: Path, git: Git) -> None:
    depths = set()
    for age, content in enumerate(reversed(versions)):
        manifest = parse(git("show", f"HEAD~{age}:model.safetensors").encode())
        depths.add(len(chain(manifest.recipes, manifest.groups["weight"].digest)) - 1)
        git("checkout", "--quiet", f"HEAD~{age}")
        assert (repo / "model.safetensors").read_bytes() == content
        git("checkout", "--quiet", "main")
    assert {0, 1} <= depths <= set(range(MAX_DEPTH + 1))


def test_a_version_added_again_has_the_manifest_it_had(versions: list[bytes], repo: Path, git: Git) -> None:
    (repo / ".git/theta/known.sqlite").unlink()
    (repo / "model.safetensors").write_bytes(versions[-1])
    assert git("status", "--porcelain") == ""


def test_a_shallow_clone_with_only_its_own_objects_has_every_value(
    versions: list[bytes], repo: Path, git: Git, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth=1", "--no-checkout", f"file://{repo}", str(clone))
    manifest = parse(git("show", "HEAD:model.safetensors").encode())
    for oid in {oid for recipe in manifest.recipes.values() for oid in recipe.oids}:
        there = ObjectStore(clone / ".git/theta/objects").own_path(oid)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ObjectStore(repo / ".git/theta/objects").path(oid), there)
    shutil.copyfile(repo / ".git/config", clone / ".git/config")
    git("-C", str(clone), "checkout", "--quiet", "main")
    assert (clone / "model.safetensors").read_bytes() == versions[-1]


def test_repack_leaves_the_history_as_it_is(versions: list[bytes], repo: Path, git: Git) -> None:
    assert run("repack", []) == 0
    assert git("status", "--porcelain") == ""
    for age, content in enumerate(reversed(versions)):
        git("checkout", "--quiet", f"main~{age}")
        assert (repo / "model.safetensors").read_bytes() == content
