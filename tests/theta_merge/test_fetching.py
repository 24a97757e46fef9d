"""A merge brings the values that it needs, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file

from tests.clones import CloneOf
from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import failing
from tests.clones import first as first
from tests.clones import save
from tests.conftest import Git


@pytest.fixture
def pushed(first: Path, git: Git) -> Path:
    """Two branches of the bare repository: both changed a and b."""
    for branch, value in (("side", 5.0), ("main", 7.0)):
        git("switch", "--quiet", "-c" if branch == "side" else branch, *(["side"] if branch == "side" else []))
        save(first / "m.safetensors", a=value, b=value)
        git("commit", "--quiet", "-am", branch)
        git("push", "--quiet", "origin", branch)
    return first


def test_a_merge_fetches_what_it_reads(pushed: Path, clone: CloneOf, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    clone("second")
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    git("merge", "--no-edit", "origin/side")
    monkeypatch.delenv("GIT_THETA_SKIP_SMUDGE")
    git("checkout", "--quiet", "HEAD~0")
    git("rm", "--quiet", "--cached", "m.safetensors")
    git("checkout", "--quiet", "-f", "HEAD", "--", ".")
    assert numpy.unique(load_file("m.safetensors")["a"]).tolist() == [6.0]


def test_what_cannot_be_fetched_leaves_the_conflict_and_says_why(
    pushed: Path, clone: CloneOf, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    clone("second")
    git("remote", "rename", "origin", "gone")
    git("remote", "set-url", "gone", "file:///nowhere")
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    done = failing("merge", "gone/side")
    assert done.returncode == 1
    assert "m.safetensors: " in done.stderr
    assert "objects are not here" in done.stderr
    assert "get it with: git theta fetch" in done.stderr
    git("merge", "--abort")
