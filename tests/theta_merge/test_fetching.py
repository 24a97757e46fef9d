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
from tests.theta_merge.terminals import DOWN
from tests.theta_merge.terminals import ENTER
from tests.theta_merge.terminals import ESCAPE
from tests.theta_merge.terminals import running


@pytest.fixture
def pushed(first: Path, git: Git) -> Path:
    """Two branches of the bare repository: both changed a and b."""
    for branch, value in (("side", 5.0), ("main", 7.0)):
        git("switch", "--quiet", "-c" if branch == "side" else branch, *(["side"] if branch == "side" else []))
        save(first / "m.safetensors", a=value, b=value)
        git("commit", "--quiet", "-am", branch)
        git("push", "--quiet", "origin", branch)
    return first


@pytest.fixture
def hollow(pushed: Path, clone: CloneOf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone without any values, in which a merge of origin/side conflicts."""
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    return clone("second")


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
    hollow: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("remote", "rename", "origin", "gone")
    git("remote", "set-url", "gone", "file:///nowhere")
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    done = failing("merge", "gone/side")
    assert done.returncode == 1
    assert "m.safetensors: " in done.stderr
    assert "objects did not come: object " in done.stderr
    assert ": gone (git-lfs): the remote does not have it" in done.stderr
    assert "get it with: git theta fetch" in done.stderr
    git("merge", "--abort")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_preview_fetches_what_it_reads(hollow: Path, git: Git, term: str) -> None:
    with running("git", "merge", "origin/side", term=term) as terminal:
        if term == "dumb":
            terminal.until("quit, ? >")
            terminal.press("preview average\n")
            assert "from theirs" in terminal.until("average: ≈")
            terminal.press("quit\n")
        else:
            terminal.until("q done")
            terminal.press(ENTER)
            terminal.until("Enter take")
            terminal.press(DOWN * 3 + "p")
            assert "from theirs" in terminal.until("a by average: ≈")
            terminal.press(ESCAPE)
            terminal.until("q done")
            terminal.press("q")
        assert terminal.code() == 1


def test_a_preview_says_why_it_cannot_fetch(hollow: Path, git: Git) -> None:
    git("remote", "set-url", "origin", "file:///nowhere")
    with running("git", "merge", "origin/side", columns=160) as terminal:
        terminal.until("q done")
        terminal.press(ENTER)
        terminal.until("Enter take")
        terminal.press(DOWN * 3 + "p")
        terminal.until("objects did not come: object")
        terminal.press(ESCAPE)
        terminal.until("q done")
        terminal.press("q")
        assert terminal.code() == 1
