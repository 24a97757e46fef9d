"""The merge driver under real git commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import commit_blob
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from theta_checkpoint.manifest import parse

MERGED = {"a": 3.0, "b": 1.0, "c": 4.0, "d": 0.0}
"""with theirs for the group that both changed"""


@pytest.fixture
def theirs_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "take-theirs")


def test_without_a_strategy_the_rest_is_merged_and_the_way_on_is_shown(forked: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "side")
    assert done.returncode == 1
    assert f"{MODEL}: 1 of 4 parameter groups in conflict" in done.stderr
    assert f"git theta resolve {MODEL} --strategy NAME" in done.stderr
    assert load(MODEL) == {"a": 1.0, "b": 1.0, "c": 4.0, "d": 0.0}
    record = json.loads((forked / ".git/theta/conflicts" / f"{MODEL}.json").read_text())
    assert [conflict["name"] for conflict in record["conflicts"]] == ["a"]
    assert git("ls-files", "-u", "--", MODEL).count("\n") == 3
    git("merge", "--abort")
    assert load(MODEL) == OURS


def test_average_through_the_environment(forked: Path, run: Run) -> None:
    env = {"GIT_THETA_STRATEGY": "average", "GIT_THETA_OPTIONS": "weights=0.25,0.75"}
    done = run("git", "merge", "--no-edit", "side", env=env)
    assert done.returncode == 0, done.stderr
    assert load(MODEL) == {"a": 2.5, "b": 1.0, "c": 4.0, "d": 0.0}
    assert (forked / "notes.txt").read_text() == "ONE\ntwo\nTHREE\n"


def test_strategy_from_configuration(forked: Path, git: Git) -> None:
    git("config", "theta.merge.strategy", "take-base")
    git("merge", "--no-edit", "side")
    assert load(MODEL) == {"a": 0.0, "b": 1.0, "c": 4.0, "d": 0.0}


def test_strategy_from_attributes(forked: Path, git: Git) -> None:
    (forked / ".git/info").mkdir(exist_ok=True)
    (forked / ".git/info/attributes").write_text("*.safetensors theta-strategy=take-theirs\n")
    git("merge", "--no-edit", "side")
    assert load(MODEL) == MERGED


def test_recipe_from_configuration(forked: Path, git: Git) -> None:
    (forked / "recipe.toml").write_text('[[rule]]\nmatch = "a"\nstrategy = "take-theirs"\n')
    git("config", "theta.merge.recipe", "recipe.toml")
    git("merge", "--no-edit", "side")
    assert load(MODEL) == MERGED


def test_an_unknown_strategy_changes_nothing(forked: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "avrage"})
    assert done.returncode != 0
    assert "did you mean average" in done.stderr
    run("git", "merge", "--abort")
    assert load(MODEL) == OURS
    assert git("status", "--porcelain") == ""


def test_the_merge_of_unconflicting_changes_is_silent(forked: Path, git: Git, run: Run) -> None:
    git("switch", "-qc", "other", "HEAD~1")
    save(MODEL, {**BASE, "d": 7.0})
    git("commit", "-qam", "other")
    done = run("git", "merge", "--no-edit", "main")
    assert done.returncode == 0
    assert done.stderr == ""
    assert load(MODEL) == {**OURS, "d": 7.0}


def test_what_is_committed_is_a_complete_manifest(forked: Path, git: Git, theirs_wins: None) -> None:
    git("merge", "--no-edit", "side")
    found = parse(git("cat-file", "blob", f"HEAD:{MODEL}").encode())
    assert {tensor.digest for tensor in found.groups.values()} | {found.skeleton} == found.recipes.keys()
    assert git("status", "--porcelain") == ""


def test_groups_added_by_one_side_arrive(forked: Path, git: Git, theirs_wins: None) -> None:
    git("switch", "-q", "side")
    save(MODEL, {**THEIRS, "new": 9.0})
    git("commit", "-qam", "grow")
    git("switch", "-q", "main")
    git("merge", "--no-edit", "side")
    assert load(MODEL) == {**MERGED, "new": 9.0}


def test_a_checkpoint_added_on_both_sides(forked: Path, git: Git, run: Run, theirs_wins: None) -> None:
    for branch, value in (("side", 2.0), ("main", 1.0)):
        git("switch", "-q", branch)
        save("new.safetensors", {"a": value, branch: 5.0} if branch == "main" else {"a": value})
        git("add", ".")
        git("commit", "-qm", branch)
    git("merge", "--no-edit", "side")
    assert load("new.safetensors") == {"a": 2.0, "main": 5.0}


def test_sides_committed_before_tracking_are_merged_all_the_same(forked: Path, git: Git, theirs_wins: None) -> None:
    save("raw", {**THEIRS, "a": 4.0})
    commit_blob(git, "side", MODEL, Path("raw").read_bytes())
    git("merge", "--no-edit", "side")
    assert load(MODEL) == {**MERGED, "a": 4.0}
    assert git("cat-file", "blob", f"HEAD:{MODEL}").startswith("theta 1\n")


def test_a_damaged_manifest_is_a_conflict_with_ours_kept(forked: Path, git: Git, run: Run) -> None:
    commit_blob(git, "side", MODEL, b"theta 1\n<<<<<<< HEAD\n")
    done = run("git", "merge", "side")
    assert done.returncode == 1
    assert "the manifest of theirs is damaged" in done.stderr
    assert load(MODEL) == OURS


def test_values_that_are_not_here_leave_a_conflict(forked: Path, git: Git, run: Run) -> None:
    git("switch", "-q", "side")
    save(MODEL, {**THEIRS, "a": 5.0})
    git("commit", "-qam", "an object of its own")
    git("switch", "-q", "main")
    theirs = parse(git("cat-file", "blob", f"side:{MODEL}").encode())
    for oid in theirs.recipes[theirs.groups["a"].digest].oids:
        (forked / ".git/theta/objects" / oid[:2] / oid[:64]).unlink()
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert done.returncode == 1
    assert "    a: both changed" in done.stderr
    assert "git theta fetch" in done.stderr
    assert load(MODEL) == {**MERGED, "a": 1.0}


def test_a_criss_cross_merge_prompts_and_reports_once(forked: Path, git: Git, run: Run) -> None:
    git("branch", "old-main")
    git("merge", "--no-edit", "-s", "ours", "side")
    git("switch", "-q", "side")
    git("merge", "--no-edit", "-s", "ours", "old-main")
    done = run("git", "merge", "main")
    assert done.returncode == 1
    assert done.stderr.count("resolve with") == 1


def test_fisher_information_committed_beside_the_checkpoint(forked: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "fisher"})
    assert done.returncode != 0
    assert "diagonal_fisher makes it" in done.stderr
    run("git", "merge", "--abort")
    for branch, weight in (("side", 1.0), ("main", 3.0)):
        git("switch", "-q", branch)
        save("m.fisher.safetensors", dict.fromkeys(BASE, weight))
        git("add", ".")
        git("commit", "-qm", "Fisher")
    done = run("git", "merge", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "fisher"})
    assert done.returncode == 0, done.stderr
    assert load("m.fisher.safetensors")["a"] == 2.0
    assert load(MODEL)["a"] == 1.5


def test_longer_conflict_markers_by_attribute_are_no_internal_merge(forked: Path, git: Git, run: Run) -> None:
    (forked / ".git/info").mkdir(exist_ok=True)
    (forked / ".git/info/attributes").write_text("*.safetensors conflict-marker-size=32\n")
    assert "resolve with" in run("git", "merge", "side").stderr
