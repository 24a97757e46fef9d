"""Objects come from whichever remote has them, and from what others pushed into this very repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import theta
from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from theta_cli.main import run

Git = Callable[..., str]


@pytest.fixture
def fork(first: Path, clone: CloneOf, tmp_path: Path, git: Git) -> bytes:
    """A clone of a fork, which is the current folder, with ``upstream/side`` fetched, whose content it gives.

    The fork keeps its objects beside its commits, upstream in a folder.
    """
    git("init", "--quiet", "--bare", "--initial-branch=main", "../fork.git")
    git("push", "--quiet", "../fork.git", "main")
    run("remote", ["add", "origin", (tmp_path / "bucket").as_uri()])
    git("switch", "--quiet", "-c", "side")
    content = save(first / "m.safetensors", a=5.0)
    git("commit", "--quiet", "-a", "-m", "side")
    run("push", [])
    git("push", "--quiet", "origin", "side")
    clone("second")
    git("remote", "rename", "origin", "upstream")
    git("remote", "add", "origin", "../fork.git")
    git("branch", "--quiet", "--unset-upstream")
    run("remote", ["add", "upstream", (tmp_path / "bucket").as_uri()])
    shutil.rmtree(".git/theta/objects")
    return content


def test_a_branch_of_another_remote_is_checked_out(fork: bytes, git: Git) -> None:
    git("checkout", "--quiet", "upstream/side")
    assert Path("m.safetensors").read_bytes() == fork


def test_a_branch_of_another_remote_is_merged(fork: bytes, git: Git) -> None:
    git("switch", "--quiet", "main")
    save(Path("m.safetensors"), a=7.0)
    git("commit", "--quiet", "-a", "-m", "main")
    git("merge", "--quiet", "--strategy", "average", "upstream/side")
    assert Path("m.safetensors").read_bytes() == save(Path("expected"), a=6.0)


def test_memory_is_filled_from_another_remote(fork: bytes) -> None:
    assert theta.load("upstream/side", "m.safetensors", framework="numpy")["a"][0, 0] == 5.0


def test_each_remote_says_why_it_does_not_give_an_object(fork: bytes, git: Git, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "bucket")
    shutil.rmtree(tmp_path / "fork.git/lfs")
    told = failing("checkout", "upstream/side").stderr
    title = f"upstream ({(tmp_path / 'bucket').as_uri()})"
    lack = "the remote does not have it"
    assert f": origin (git-lfs): {lack}; {title}: {lack}\n" in told


def test_a_working_clone_takes_what_a_colleague_pushed_into_it(first: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", str(first), str(tmp_path / "second"))
    os.chdir(tmp_path / "second")
    git("switch", "--quiet", "-c", "side")
    content = save(Path("m.safetensors"), a=5.0)
    git("commit", "--quiet", "-a", "-m", "side")
    git("push", "--quiet", "origin", "side")
    os.chdir(first)
    git("switch", "--quiet", "side")
    assert (first / "m.safetensors").read_bytes() == content


def test_a_bare_repository_gives_out_checkpoints(first: Path, bare: Path, tmp_path: Path, git: Git) -> None:
    """As when a server deploys what is pushed to it: it has no remote at all."""
    (tmp_path / "deployed").mkdir()
    git("--git-dir", str(bare), "--work-tree", str(tmp_path / "deployed"), "checkout", "--quiet", "--force", "main")
    assert (tmp_path / "deployed/m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
