"""After a conflict: git theta resolve."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from strategies.contract import MergeError
from tests.conftest import Git
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from theta_checkpoint.failure import Failure
from theta_cli.commands import resolve


def resolved(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    resolve.configure(parser)
    return resolve.run(parser.parse_args(arguments))


@pytest.fixture
def stopped(forked: Path, run: Run) -> Path:
    assert run("git", "merge", "side").returncode == 1
    return forked


def test_a_strategy_settles_what_is_open(stopped: Path, git: Git, capsys: pytest.CaptureFixture[str]) -> None:
    assert resolved(MODEL, "--strategy", "take-theirs") == 0
    assert load(MODEL) == {"a": 3.0, "b": 1.0, "c": 4.0, "d": 0.0}
    assert "finish with: git commit" in capsys.readouterr().out
    assert not (stopped / ".git/theta/conflicts" / f"{MODEL}.json").exists()
    git("commit", "--no-edit")
    assert git("status", "--porcelain") == ""


def test_without_paths_from_a_folder_below(stopped: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    (stopped / "below").mkdir()
    monkeypatch.chdir(stopped / "below")
    assert resolved("-s", "take-base", f"../{MODEL}") == 0
    assert load(stopped / MODEL)["a"] == 0.0


def test_a_recipe_settles_too(stopped: Path) -> None:
    (stopped / "r.toml").write_text('[default]\nstrategy = "take-theirs"\n')
    assert resolved("--recipe", "r.toml") == 0
    assert load(MODEL)["a"] == 3.0


def test_what_does_not_fit_stays_open_and_the_choices_are_kept(
    repo: Path, git: Git, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for branch, value in (("main", 0.0), ("side", 2.0), ("main", 1.0)):
        git("switch", "-qC" if branch == "side" else "-q", branch) if value else None
        save(MODEL, {"one.w": value, "two.w": value})
        git("add", ".")
        git("commit", "-qm", branch)
    run("git", "merge", "side")
    assert resolved("--strategy", "take-theirs", "--match", "one.*") == 1
    assert "1 of 2 parameter groups in conflict" in capsys.readouterr().err
    record = json.loads((repo / ".git/theta/conflicts" / f"{MODEL}.json").read_text())
    assert record["choices"] == {"one.w": {"strategy": "take-theirs", "options": {}}}
    assert resolved("--strategy", "take-base") == 0
    assert load(MODEL) == {"one.w": 2.0, "two.w": 0.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "avrage"), "did you mean average"),
        (("--strategy", "take-ours", "--match", "zzz*"), "no conflict matches"),
        (("-X", "weights=1"), "add --strategy"),
        (("--recipe", "none.toml"), "cannot read the recipe"),
    ],
)
def test_mistakes_change_nothing(stopped: Path, git: Git, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(MergeError, match=message):
        resolved(*arguments)
    assert git("diff", "--name-only", "--diff-filter=U").split() == [MODEL]


def test_a_path_without_conflict_is_an_error(stopped: Path) -> None:
    with pytest.raises(Failure, match=r"notes.txt: not a checkpoint in conflict"):
        resolved("notes.txt", "-s", "take-ours")


def test_no_terminal_and_no_strategy_asks_for_one(stopped: Path) -> None:
    with pytest.raises(Failure, match="give --strategy NAME"):
        resolved()


def test_nothing_to_resolve(forked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resolved() == 0
    assert "no checkpoint is in conflict" in capsys.readouterr().out
    assert load(MODEL) == OURS


def test_ordinary_files_that_are_still_in_conflict_are_named(
    forked: Path, git: Git, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (forked / "notes.txt").write_text("ONE\ntwo\nmine\n")
    git("commit", "-qam", "against theirs")
    run("git", "merge", "side")
    assert resolved("-s", "take-theirs") == 0
    told = "other files are still in conflict: notes.txt; git add them, then type: git commit"
    assert told in capsys.readouterr().out


def test_adding_it_as_git_status_hints_tells_what_that_settles(stopped: Path, git: Git, run: Run) -> None:
    assert "git theta resolve" not in run("git", "status").stderr
    done = run("git", "add", MODEL)
    back = f"git checkout -m -- {MODEL} && git theta resolve {MODEL}"
    assert f"{MODEL}: 1 conflict was open in it, for which ours now stands; to choose, type: {back}" in done.stderr
    run("git", "checkout", "-m", "--", MODEL)
    assert resolved("-s", "take-theirs") == 0
    assert load(MODEL)["a"] == 3.0
    git("commit", "-q", "--no-edit")
    (stopped / MODEL).touch()
    assert run("git", "add", MODEL).stderr == ""


def test_adding_a_resolution_of_one_s_own_tells_nothing(stopped: Path, git: Git, run: Run) -> None:
    save(MODEL, {**load(MODEL), "a": 2.5})
    assert run("git", "add", MODEL).stderr == ""
    git("commit", "-q", "--no-edit")
    assert load(MODEL)["a"] == 2.5
