"""Everything that one commits is byte-identical for the others, however it reaches them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.clones import CloneOf
from tests.clones import save

Git = Callable[..., str]


@pytest.fixture(autouse=True, params=["folder", "server"])
def transport(request: pytest.FixtureRequest, bare: Path, git: Git) -> None:
    """Objects go beside the bare repository, or to a git-lfs server over HTTP."""
    if request.param == "server":
        request.getfixturevalue("server")


def _content(folder: Path) -> bytes:
    return (folder / "m.safetensors").read_bytes()


def _commit(git: Git, folder: Path, message: str, **changed: float) -> bytes:
    content = save(folder / "m.safetensors", **changed)
    git("-C", str(folder), "commit", "--quiet", "-a", "-m", message)
    return content


def test_a_branch_of_each_of_three(first: Path, clone: CloneOf, git: Git) -> None:
    second, third = clone("second"), clone("third")
    contents = {}
    for number, folder in enumerate((first, second, third)):
        git("-C", str(folder), "switch", "--quiet", "-c", f"branch{number}")
        contents[f"branch{number}"] = _commit(git, folder, "mine", a=float(number + 10))
        git("-C", str(folder), "push", "--quiet", "origin", f"branch{number}")
    for folder in (first, second, third):
        git("-C", str(folder), "fetch", "--quiet")
        for branch, content in contents.items():
            git("-C", str(folder), "checkout", "--quiet", f"origin/{branch}")
            assert _content(folder) == content


def test_one_branch_alone_and_a_shallow_clone(first: Path, clone: CloneOf, git: Git) -> None:
    git("switch", "--quiet", "-c", "side")
    _commit(git, first, "earlier", a=5.0)
    content = _commit(git, first, "later", a=6.0)
    git("push", "--quiet", "origin", "side")
    shallow = clone("shallow", "--depth=1", "--branch=side")
    assert _content(shallow) == content
    second = clone("second", "--single-branch", "--branch=main")
    git("-C", str(second), "fetch", "--quiet", "origin", "side")
    git("-C", str(second), "checkout", "--quiet", "FETCH_HEAD")
    assert _content(second) == content


def test_a_rebase_and_a_force_push(first: Path, clone: CloneOf, git: Git) -> None:
    second = clone("second")
    git("-C", str(second), "switch", "--quiet", "-c", "side")
    _commit(git, second, "mine", b=7.0)
    git("-C", str(second), "push", "--quiet", "origin", "side")
    os.chdir(first)
    _commit(git, first, "theirs", c=8.0)
    git("push", "--quiet", "origin", "main")
    os.chdir(second)
    git("fetch", "--quiet")
    git("rebase", "--quiet", "origin/main")
    git("push", "--quiet", "--force", "origin", "side")
    third = clone("third", "--branch=side")
    assert _content(third) == _content(second) == save(first / "expected.safetensors", b=7.0, c=8.0)


def test_a_remote_in_another_place_alone(first: Path, clone: CloneOf, git: Git, tmp_path: Path) -> None:
    git("config", "--global", "theta.remote.store.url", (tmp_path / "bucket").as_uri())
    git("config", "--global", "theta.defaultRemote", "store")
    content = _commit(git, first, "to the bucket", a=3.0)
    git("push", "--quiet", "origin", "main")
    assert list((tmp_path / "bucket").glob("*/*"))
    git("theta", "push")
    assert _content(clone("second")) == content


def _tuned(git: Git, folder: Path, step: int) -> bytes:
    """A commit that stores nothing but the factors of a low-rank update; the checkpoint that it makes."""
    os.chdir(folder)
    random = np.random.default_rng(step)
    factors = {"w/R": random.standard_normal((120, 1), np.float32), "w/C": random.standard_normal((1, 90), np.float32)}
    save_file(factors, folder / ".git/update")
    git("theta", "add", "m.safetensors", "--update-type", "low-rank", "--update-data", ".git/update")
    git("commit", "--quiet", "-m", f"step {step}")
    assert " low-rank base=" in git("show", "HEAD:m.safetensors")
    return _content(folder)


def test_updates_by_factors_alone_go_through_shallow_clones_rebase_squash_and_cherry_pick(
    first: Path, clone: CloneOf, git: Git
) -> None:
    values = np.random.default_rng(0).standard_normal((120, 90), np.float32)
    save_file({"w": values}, first / "m.safetensors")
    git("commit", "--quiet", "-a", "-m", "a matrix")
    git("switch", "--quiet", "-c", "tuned")
    contents = [_tuned(git, first, step) for step in range(3)]
    git("push", "--quiet", "origin", "main", "tuned")

    shallow = clone("shallow", "--depth=1", "--branch=tuned")
    assert _content(shallow) == contents[-1]
    git("switch", "--quiet", "-c", "further")
    further = _tuned(git, shallow, 3)
    git("push", "--quiet", "origin", "further")

    second = clone("second", "--depth=1", "--no-single-branch")
    (second / "notes").write_text("main went on")
    git("add", "notes")
    git("commit", "--quiet", "-m", "notes")
    git("push", "--quiet", "origin", "main")
    git("fetch", "--quiet", "--unshallow")
    git("switch", "--quiet", "-c", "rebased", "origin/further")
    git("rebase", "--quiet", "main")
    git("switch", "--quiet", "-c", "squashed", "main")
    git("merge", "--quiet", "--squash", "origin/tuned")
    git("commit", "--quiet", "-m", "squashed")
    git("switch", "--quiet", "-c", "picked", "main")
    git("cherry-pick", "main..origin/tuned")
    git("push", "--quiet", "--force", "origin", "rebased", "squashed", "picked", "rebased:tuned")

    for branch, content in {
        "rebased": further,
        "squashed": contents[-1],
        "picked": contents[-1],
        "picked~1": contents[-2],
    }.items():
        name, _, back = branch.partition("~")
        third = clone(f"third-{branch}", f"--depth={1 + int(back or 0)}", f"--branch={name}")
        git("checkout", "--quiet", f"HEAD~{back or 0}")
        assert _content(third) == content
        assert "0 findings" in git("theta", "fsck")
