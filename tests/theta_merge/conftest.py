"""A repository whose two branches changed the same checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from strategies.registry import names
from tests.conftest import Begun
from tests.conftest import Git

Groups = Mapping[str, float]
"""the value that fills each group"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def save(path: str | Path, groups: Groups, metadata: Mapping[str, str] | None = None) -> None:
    """A checkpoint whose groups are filled with one number each."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: numpy.full((4, 3), value, numpy.float32) for name, value in groups.items()}
    save_file(arrays, path, dict(metadata) if metadata else None)


def load(path: str | Path) -> dict[str, float]:
    """The number that fills each group."""
    return {name: float(array.reshape(-1)[0]) for name, array in load_file(path).items()}


@pytest.fixture
def run() -> Run:
    """``run("git", "merge", "side")`` runs a command that may fail."""

    def command(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
        )

    return command


def theta(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``git theta ARGUMENTS``."""
    return run(sys.executable, "-E", "-P", "-m", "theta_cli.main", *arguments)


@pytest.fixture
def merge_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with the ``git-merge-NAME`` programs that an installation provides."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*names(), "theta"):
        program = folder / f"git-merge-{name}"
        program.write_text(
            f"#!{sys.executable} -EP\nimport sys\nfrom theta_merge.git_merge import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


BASE = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}
OURS = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}
THEIRS = {"a": 3.0, "b": 0.0, "c": 4.0, "d": 0.0}
MODEL = "m.safetensors"


@pytest.fixture
def forked(repo: Path, begun: Begun, git: Git) -> Path:
    """On main, with a branch side: both changed group a, one side each b and c; and an ordinary file each."""
    begun("forked", lambda: fork(git))
    return repo


def fork(git: Git) -> None:
    _commit(git, "base", BASE, "one\ntwo\nthree\n")
    git("switch", "-qc", "side")
    _commit(git, "theirs", THEIRS, "one\ntwo\nTHREE\n")
    git("switch", "-q", "main")
    _commit(git, "ours", OURS, "ONE\ntwo\nthree\n")


def _commit(git: Git, message: str, groups: Groups, notes: str) -> None:
    save(MODEL, groups)
    Path("notes.txt").write_text(notes)
    git("add", ".")
    git("commit", "-qm", message)


def commit_blob(git: Git, branch: str, path: str, content: bytes) -> None:
    """Commit bytes as they are, past the clean filter, on a branch that is not checked out."""
    Path("blob").write_bytes(content)
    oid = git("hash-object", "-w", "--no-filters", "blob").strip()
    Path("blob").unlink()
    git("switch", "-q", branch)
    git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
    git("commit", "-qm", "as it is")
    git("checkout", "-qf", "main")
