"""What the user should know of a merge that was done: told once, whatever the number of groups."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from tests.conftest import Git
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import Run
from theta_cli import main as git_theta
from theta_merge import files

Merged = Callable[..., str]


def model(path: Path, change: float, seed: int, groups: int = 3) -> None:
    """A checkpoint with a random change of that size."""
    arrays = {}
    for i in range(groups):
        base = numpy.random.default_rng(i).standard_normal((40, 30), numpy.float32)
        update = numpy.random.default_rng([i, seed]).standard_normal((40, 30), numpy.float32)
        arrays[f"layer.{i}.weight"] = base + numpy.float32(change) * update
    save_file(arrays, path)


@pytest.fixture
def merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Merged:
    """``merged(0.1, 0.5, "-s", "ties")`` merges changes of these sizes; what it tells on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(ours: float, theirs: float, *arguments: str) -> str:
        for seed, (name, change) in enumerate({"base": 0.0, "ours": ours, "theirs": theirs}.items()):
            model(tmp_path / name, change, seed)
        sys.argv = ["theta-merge", "base", "ours", "theirs", "-o", "out", *arguments]
        assert files.main() == 0
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("strategy", ["ties", "task-arithmetic", "tsv", "wudi", "emr", "breadcrumbs"])
def test_changes_of_very_unequal_size_are_told_once(merged: Merged, strategy: str) -> None:
    told = merged(0.01, 0.1, "-s", strategy)
    assert told.count("theirs changed 10 times as much as ours") == 1
    assert told.count("\n") == 1


def test_changes_of_similar_size_are_not_worth_a_word(merged: Merged) -> None:
    assert merged(0.05, 0.1, "-s", "ties") == ""


def test_what_does_not_work_on_changes_does_not_care(merged: Merged) -> None:
    assert merged(0.01, 0.1, "-s", "average") == ""


def test_slerp_says_when_it_is_the_plain_average(merged: Merged) -> None:
    told = merged(0.01, 0.01, "-s", "slerp")
    assert told.count("strategy slerp, 3 groups: the sides are nearly parallel") == 1
    assert told.count("\n") == 1
    assert merged(0.01, 0.01, "-s", "slerp", "-X", "deltas=true") == ""
    assert merged(1.0, 1.0, "-s", "slerp") == ""


def test_git_merge_and_resolve_tell_it_too(
    repo: Path, git: Git, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def commit(change: float, seed: int) -> None:
        model(repo / MODEL, change, seed)
        git("add", "-A")
        git("commit", "-qm", f"change {change}")

    commit(0.0, 0)
    git("branch", "side")
    commit(0.01, 1)
    git("switch", "-q", "side")
    commit(0.1, 2)
    git("switch", "-q", "-")
    done = run("git", "merge", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "ties"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("theirs changed 10 times as much as ours") == 1
    git("reset", "-q", "--hard", "HEAD^")
    assert run("git", "merge", "side").returncode == 1
    monkeypatch.setattr(sys, "argv", ["git-theta", "resolve", MODEL, "--strategy", "ties"])
    assert git_theta.main() == 0
    assert capsys.readouterr().err.count("theirs changed 10 times as much as ours") == 1
