"""Objects go up with `git push` and come down with `git checkout`, through git-lfs and a bare repository."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save

Git = Callable[..., str]


def lfs_objects(folder: Path) -> set[str]:
    return {path.name for path in (folder / "lfs/objects").glob("*/*/*")}


def theta_objects(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".git/theta/objects").glob("*/*")}


def test_a_clone_has_the_same_bytes(first: Path, bare: Path, clone: CloneOf, git: Git) -> None:
    second = clone("second")
    assert (second / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    assert git("status", "--porcelain") == ""
    assert lfs_objects(bare) == theta_objects(first) == theta_objects(second)


def test_nothing_is_left_in_the_store_of_git_lfs(first: Path, clone: CloneOf) -> None:
    assert lfs_objects(first / ".git") == set()
    assert lfs_objects(clone("second") / ".git") == set()


@pytest.mark.parametrize("options", [("--depth=1",), ("--single-branch", "--branch=main"), ("--filter=blob:none",)])
def test_partial_clones_are_whole_checkpoints(first: Path, clone: CloneOf, options: tuple[str, ...]) -> None:
    assert (clone("second", *options) / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()


def test_an_object_damaged_on_the_way_never_reaches_the_store(first: Path, bare: Path, clone: CloneOf) -> None:
    damaged = next((bare / "lfs/objects").glob("*/*/*"))
    damaged.chmod(0o644)
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    second = clone("second")
    assert damaged.name not in theta_objects(second)
    assert (second / "m.safetensors").read_bytes().startswith(b"theta 1\n")


def test_a_push_that_cannot_send_objects_fails_and_says_why(first: Path, git: Git) -> None:
    save(first / "m.safetensors", a=5.0)
    git("commit", "--quiet", "-a", "-m", "change")
    shutil.rmtree(first / ".git/theta/objects")
    done = failing("push", "origin", "main")
    assert done.returncode
    assert (
        "objects not sent to origin (git-lfs); without them no one can restore m.safetensors: the values of group a"
        in (done.stderr)
    )
    assert "GIT_THETA_SKIP_PUSH=1 git push" in done.stderr


def test_skipping_the_push_and_the_smudge(
    first: Path, bare: Path, clone: CloneOf, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(first / "m.safetensors", a=5.0)
    git("commit", "--quiet", "-a", "-m", "change")
    before = lfs_objects(bare)
    monkeypatch.setenv("GIT_THETA_SKIP_PUSH", "1")
    git("push", "--quiet", "origin", "main")
    assert lfs_objects(bare) == before
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    second = clone("second")
    assert (second / "m.safetensors").read_bytes().startswith(b"theta 1\n")
    assert theta_objects(second) == set()
