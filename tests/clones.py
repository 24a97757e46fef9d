"""A bare repository and clones of it, theta installed for the user."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

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
def bare(tmp_path: Path, git: Git) -> Path:
    """A bare repository on branch main; every clone of it has theta, by the user's configuration."""
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    installation.install(Repository(), Scope.GLOBAL, drivers.wanted(drivers.interpreter()))
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
def first(clone: CloneOf, git: Git) -> Path:
    """A clone in which ``m.safetensors`` is committed and pushed."""
    folder = clone("first")
    (folder / ".gitattributes").write_text("*.safetensors filter=theta diff=theta merge=theta -text\n")
    save(folder / "m.safetensors")
    git("add", ".")
    git("commit", "--quiet", "-m", "base")
    git("push", "--quiet", "origin", "main")
    return folder


def failing(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A git command that may fail."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
