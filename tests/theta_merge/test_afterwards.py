"""What remains of a merge: sides to take out, how it was settled, and settling it the same way again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from theta_cli.commands import checkout
from theta_cli.commands import explain
from theta_cli.commands import merge
from theta_cli.commands import resolve
from theta_cli.commands import strategies


def called(command: ModuleType, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    code: int = command.run(parser.parse_args(arguments))
    return code


def test_every_side_of_a_conflict_can_be_taken_out(forked: Path, git: Git, run: Run) -> None:
    run("git", "merge", "side")
    for side, groups in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        assert called(checkout, f"--{side}", "--to", f"{side}.safetensors", MODEL) == 0
        assert load(f"{side}.safetensors") == groups
    assert called(checkout, "--theirs", MODEL) == 0
    assert load(MODEL) == THEIRS
    assert git("diff", "--name-only", "--diff-filter=U").split() == [MODEL]


def test_a_merge_can_be_explained(forked: Path, git: Git, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    git("checkout", "-q", "side")
    run("git", "merge", "--no-edit", "main", env={"GIT_THETA_STRATEGY": "take-theirs"})
    assert called(explain, "--json", "HEAD", MODEL) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"] == [
        {"name": "a", "origin": "take-theirs"},
        {"name": "b", "origin": "from theirs"},
        {"name": "c", "origin": "from ours"},
    ]


def test_a_merge_of_a_renamed_checkpoint_can_be_explained(
    forked: Path, git: Git, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    git("mv", MODEL, "renamed.safetensors")
    git("commit", "-qm", "rename")
    run("git", "merge", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "take-theirs"})
    assert called(explain, "HEAD", "renamed.safetensors") == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["a  take-theirs", "b  from ours", "c  from theirs"]


def test_a_resolved_merge_can_be_explained(
    forked: Path, git: Git, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("git", "merge", "side")
    called(resolve, "-s", "take-base")
    git("commit", "--no-edit")
    capsys.readouterr()
    assert called(explain, "HEAD", MODEL) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == ["a  take-base", "b  from ours", "c  from theirs", "1 unchanged (show them with --all)"]
    git("notes", "--ref=theta-merges", "prune")
    git("update-ref", "-d", "refs/notes/theta-merges")
    called(explain, "HEAD", MODEL)
    assert capsys.readouterr().out.startswith("a  as in base\n")


def test_a_conflict_met_again_is_settled_as_before_if_asked_to(forked: Path, git: Git, run: Run) -> None:
    run("git", "merge", "side")
    called(resolve, "-s", "take-theirs")
    git("merge", "--abort")
    assert run("git", "merge", "side").returncode == 1
    git("merge", "--abort")
    git("config", "theta.rerere", "true")
    assert run("git", "merge", "--no-edit", "side").returncode == 0
    assert load(MODEL)["a"] == 3.0


def test_a_dry_run_tells_the_decisions(forked: Path, git: Git, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(merge, "--dry-run", "--json", "--strategy", "average", "side") == 0
    (found,) = json.loads(capsys.readouterr().out)["checkpoints"]
    assert {group["name"]: group["result"] for group in found["groups"]} == {
        "a": "by average",
        "b": "from ours",
        "c": "from theirs",
        "d": "unchanged",
    }
    assert called(merge, "--dry-run", "side") == 1
    assert "a: both changed F32[4,3]" in capsys.readouterr().out
    assert git("status", "--porcelain") == ""
    assert load(MODEL) == OURS


def test_git_theta_merge_runs_git_merge(forked: Path, git: Git) -> None:
    assert called(merge, "side", "--strategy", "take-theirs", "--git", "--no-edit") == 0
    assert load(MODEL)["a"] == 3.0
    assert len(git("rev-list", "--parents", "-1", "HEAD").split()) == 3


def test_the_list_of_strategies(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(strategies) == 0
    assert "take-ours" in capsys.readouterr().out
    called(strategies, "average", "--json")
    (found,) = json.loads(capsys.readouterr().out)["strategies"]
    assert [option["name"] for option in found["options"]][:2] == ["weights", "normalize"]
    called(strategies, "average")
    assert "git merge --strategy average -X OPTION=VALUE BRANCH" in capsys.readouterr().out
