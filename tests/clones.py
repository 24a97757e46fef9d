"""A bare repository and clones of it, theta installed for the user."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.templates import Templates
from tests.templates import make_copyable
from theta_cli import drivers
from theta_cli import installation
from theta_git.configuration import Scope
from theta_git.repository import Repository

Git = Callable[..., str]
CloneOf = Callable[..., Path]


def save(path: Path, **changed: float) -> bytes:
    """A small checkpoint of four groups; what the file holds."""
    values = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, **changed}
    save_file({name: np.full((8, 8), value, np.float32) for name, value in values.items()}, path)
    return path.read_bytes()


@pytest.fixture
def bare(tmp_path: Path, git: Git, templates: Templates) -> Path:
    """A bare repository on branch main; every clone of it has theta, by the user's configuration."""
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    wanted = drivers.wanted(drivers.interpreter())
    templates.fill("user", lambda: installation.install(Repository(), Scope.GLOBAL, wanted), Path.home())
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "bare.git"))
    return tmp_path / "bare.git"


@pytest.fixture
def clone(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> CloneOf:
    """``clone("b", "--depth=1")`` clones the bare repository and makes the clone the current folder."""

    def cloned(name: str, *options: str) -> Path:
        git("clone", "--quiet", *options, bare.as_uri(), str(tmp_path / name))
        monkeypatch.chdir(tmp_path / name)
        installation.install_hook(Repository(), Scope.LOCAL)
        return tmp_path / name

    return cloned


@pytest.fixture
def first(
    bare: Path, clone: CloneOf, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, templates: Templates
) -> Path:
    """A clone in which ``m.safetensors`` is committed and pushed."""
    if "[lfs]" in (Path.home() / ".gitconfig").read_text():  # the objects go to a server of the test's own
        _push_first(clone, git)
    else:
        templates.fill("first", lambda: _push_first(clone, git), bare, tmp_path / "first")
    monkeypatch.chdir(tmp_path / "first")
    git("remote", "set-url", "origin", bare.as_uri())
    return tmp_path / "first"


def _push_first(clone: CloneOf, git: Git) -> None:
    clone("first")
    Path(".gitattributes").write_text("*.safetensors filter=theta diff=theta merge=theta -text\n")
    save(Path("m.safetensors"))
    git("add", ".")
    git("commit", "--quiet", "-m", "base")
    git("push", "--quiet", "origin", "main")
    make_copyable(git)


def failing(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A git command that may fail."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
