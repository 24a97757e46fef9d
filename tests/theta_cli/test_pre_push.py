"""git push sends the values of what it pushes, wherever it pushes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from theta_cli.main import run
from theta_git import hooks
from theta_git.repository import Repository

Git = Callable[..., str]

old_git = pytest.mark.skipif(hooks.version(Repository()) >= hooks.CONFIGURABLE_SINCE, reason="hooks are configuration")


@pytest.fixture
def other(tmp_path: Path, first: Path, git: Git) -> Path:
    """An empty bare repository."""
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "other.git"))
    return tmp_path / "other.git"


def _commit(git: Git, folder: Path, **changed: float) -> bytes:
    content = save(folder / "m.safetensors", **changed)
    git("-C", str(folder), "commit", "--quiet", "-a", "-m", "change")
    return content


def _cloned(git: Git, place: Path, branch: str) -> bytes:
    """What someone else finds who knows this place alone."""
    folder = place.with_suffix(".cloned")
    git("clone", "--quiet", "--branch", branch, place.as_uri(), str(folder))
    return (folder / "m.safetensors").read_bytes()


@pytest.mark.parametrize("pushed", ["HEAD", "HEAD@{0 seconds ago}", ":/change"])
def test_whatever_names_what_is_pushed(first: Path, bare: Path, git: Git, pushed: str) -> None:
    content = _commit(git, first, a=7.0)
    commit = git("rev-parse", pushed).strip() if pushed.startswith(":") else pushed
    git("push", "--quiet", "origin", f"{commit}:refs/heads/side")
    assert _cloned(git, bare, "side") == content


def test_what_goes_to_another_url_than_what_is_fetched(first: Path, other: Path, git: Git) -> None:
    git("remote", "set-url", "--push", "origin", other.as_uri())
    content = _commit(git, first, a=7.0)
    git("push", "--quiet", "origin", "main")
    assert _cloned(git, other, "main") == content


def test_what_goes_to_several_urls(first: Path, bare: Path, other: Path, git: Git) -> None:
    for place in (bare, other):
        git("remote", "set-url", "--add", "--push", "origin", place.as_uri())
    content = _commit(git, first, a=7.0)
    git("push", "--quiet", "origin", "main")
    assert _cloned(git, bare, "main") == content
    assert _cloned(git, other, "main") == content


def test_a_remote_that_has_moved_gets_everything(first: Path, other: Path, git: Git) -> None:
    """What is remembered of its branches is of another place."""
    content = (first / "m.safetensors").read_bytes()
    git("remote", "set-url", "origin", other.as_uri())
    git("push", "--quiet", "origin", "main")
    assert _cloned(git, other, "main") == content


@old_git
def test_a_clone_in_which_nothing_was_ever_added_has_the_hook(
    first: Path, other: Path, clone: CloneOf, bare: Path, tmp_path: Path, git: Git
) -> None:
    git("clone", "--quiet", bare.as_uri(), str(tmp_path / "second"))
    git("-C", str(tmp_path / "second"), "push", "--quiet", other.as_uri(), "main")
    assert _cloned(git, other, "main") == (first / "m.safetensors").read_bytes()


def test_what_a_partial_clone_lacks(first: Path, other: Path, clone: CloneOf, bare: Path, git: Git) -> None:
    content = (first / "m.safetensors").read_bytes()
    _commit(git, first, a=7.0)
    git("push", "--quiet", "origin", "main")
    git("-C", str(bare), "config", "uploadpack.allowFilter", "true")
    clone("second", "--filter=blob:none")
    stopped = failing("push", other.as_uri(), "main")
    assert "neither here nor there" in stopped.stderr
    git("theta", "fetch", "--all")
    git("push", "--quiet", other.as_uri(), "main", "main~:refs/heads/before")
    assert _cloned(git, other, "before") == content


@old_git
@pytest.mark.parametrize("way", ["another hook", "core.hooksPath"])
def test_who_adds_where_the_hook_cannot_be_is_told(first: Path, git: Git, way: str) -> None:
    hook = first / ".git/hooks/pre-push"
    if way == "another hook":
        hook.write_text("#!/bin/sh\n")
    else:
        git("config", "core.hooksPath", ".husky")
    save(first / "m.safetensors", a=7.0)
    told = failing("add", "m.safetensors").stderr
    assert told == f"theta: {hooks.NOT_HERE}\n"
    assert run("status", []) == 1
    git("config", "core.hooksPath", ".git/hooks")
    hook.unlink()
    run("install", [])
    assert run("status", []) == 0


def test_what_is_not_here_stops_the_push_to_a_remote_that_lacks_it(
    first: Path, other: Path, clone: CloneOf, git: Git
) -> None:
    _commit(git, first, a=7.0)
    git("push", "--quiet", "origin", "main")
    second = clone("second")
    stopped = failing("push", other.as_uri(), "main")
    assert stopped.returncode
    assert "if another remote has it: git theta fetch --all --remote NAME" in stopped.stderr
    git("theta", "fetch", "--all")
    git("push", "--quiet", other.as_uri(), "main")
    assert _cloned(git, other, "main") == (second / "m.safetensors").read_bytes()
