"""Every git operation that merges, with a scripted strategy, and without one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.killing import killed
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from tests.theta_merge.conftest import theta
from tests.theta_merge.terminals import running
from theta_cli import drivers
from theta_cli import installation
from theta_git.configuration import Scope
from theta_git.repository import Repository

THEIRS_WINS = {"a": 3.0, "b": 1.0, "c": 4.0, "d": 0.0}
OURS_WINS = {**THEIRS_WINS, "a": 1.0}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "take-theirs")


def clean(git: Git) -> bool:
    return git("status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.usefixtures("scripted")
class TestScripted:
    def test_merge(self, forked: Path, git: Git) -> None:
        git("merge", "--no-edit", "side")
        assert load(MODEL) == THEIRS_WINS
        assert clean(git)

    def test_merge_no_commit(self, forked: Path, git: Git) -> None:
        git("merge", "--no-commit", "side")
        assert load(MODEL) == THEIRS_WINS
        assert git("diff", "--cached", "--name-only").split() == [MODEL, "notes.txt"]

    def test_merge_squash(self, forked: Path, git: Git) -> None:
        git("merge", "--squash", "side")
        git("commit", "-qm", "squashed")
        assert load(MODEL) == THEIRS_WINS
        assert len(git("rev-list", "--parents", "-1", "HEAD").split()) == 2

    def test_pull(self, forked: Path, git: Git) -> None:
        git("pull", "--no-rebase", "--no-edit", ".", "side")
        assert load(MODEL) == THEIRS_WINS

    def test_rebase(self, forked: Path, git: Git) -> None:
        git("rebase", "side")
        assert load(MODEL) == OURS_WINS
        assert clean(git)

    def test_rebase_interactive(self, forked: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_SEQUENCE_EDITOR", "true")
        git("rebase", "-i", "--no-ff", "side")
        assert load(MODEL) == OURS_WINS

    def test_rebase_onto(self, forked: Path, git: Git) -> None:
        git("rebase", "--onto", "side", "main~1", "main")
        assert load(MODEL) == OURS_WINS

    def test_rebase_merges(self, forked: Path, git: Git) -> None:
        git("switch", "-qc", "topic", "main")
        (forked / "topic.txt").write_text("topic\n")
        git("add", ".")
        git("commit", "-qm", "topic")
        git("switch", "-q", "main")
        git("merge", "--no-ff", "--no-edit", "topic")
        git("rebase", "--rebase-merges", "side")
        assert load(MODEL) == OURS_WINS
        assert (forked / "topic.txt").exists()

    def test_cherry_pick_of_a_range(self, forked: Path, git: Git) -> None:
        git("switch", "-q", "side")
        save(MODEL, {**THEIRS, "d": 6.0})
        git("commit", "-qam", "more")
        git("switch", "-q", "main")
        git("cherry-pick", "main~1..side")
        assert load(MODEL) == {**THEIRS_WINS, "d": 6.0}

    def test_revert(self, forked: Path, git: Git) -> None:
        save(MODEL, {**OURS, "a": 2.0, "d": 2.0})
        git("commit", "-qam", "later")
        git("revert", "--no-edit", "HEAD~1")
        assert load(MODEL) == {"a": 0.0, "b": 0.0, "c": 0.0, "d": 2.0}

    @pytest.mark.parametrize("verb", ["pop", "apply"])
    def test_stash(self, forked: Path, git: Git, verb: str) -> None:
        save(MODEL, {**OURS, "a": 5.0})
        git("stash")
        git("merge", "--no-edit", "side")
        git("stash", verb)
        assert load(MODEL) == {**THEIRS_WINS, "a": 5.0}

    def test_am_3(self, forked: Path, git: Git) -> None:
        patch = git("format-patch", "--stdout", "--binary", "-1", "side")
        git("am", "-3", stdin=patch)
        assert load(MODEL) == THEIRS_WINS

    def test_checkout_m_of_a_branch(self, forked: Path, git: Git) -> None:
        save(MODEL, {**OURS, "a": 5.0})
        git("checkout", "-q", "-m", "side")
        assert load(MODEL) == {**THEIRS, "a": 5.0}

    def test_merge_tree_without_a_working_tree(self, forked: Path, git: Git) -> None:
        tree = git("merge-tree", "--write-tree", "main", "side").strip()
        assert len(tree) == 40
        git("restore", f"--source={tree}", MODEL)
        assert load(MODEL) == THEIRS_WINS

    def test_a_bare_repository(self, forked: Path, git: Git) -> None:
        git("config", "core.bare", "true")
        os.chdir(".git")
        (Path("info") / "attributes").write_text("*.safetensors merge=theta\n")
        tree = git("merge-tree", "--write-tree", "main", "side").strip()
        os.chdir("..")
        git("config", "core.bare", "false")
        git("restore", f"--source={tree}", MODEL)
        assert load(MODEL) == THEIRS_WINS

    def test_criss_cross(self, forked: Path, git: Git) -> None:
        git("branch", "old-main")
        git("merge", "--no-edit", "side")
        git("switch", "-q", "side")
        git("merge", "--no-edit", "old-main")
        save(MODEL, {**load(MODEL), "d": 9.0})
        git("commit", "-qam", "further")
        git("merge", "--no-edit", "main")
        assert load(MODEL)["d"] == 9.0
        assert clean(git)

    def test_unrelated_histories(self, forked: Path, git: Git) -> None:
        git("checkout", "-q", "--orphan", "unrelated")
        save(MODEL, {"a": 7.0, "b": 7.0, "c": 7.0, "d": 0.0})
        git("commit", "-qam", "unrelated")
        git("merge", "--no-edit", "--allow-unrelated-histories", "-X", "theirs", "main")
        assert load(MODEL) == OURS

    def test_two_checkpoints_in_one_merge(self, forked: Path, git: Git) -> None:
        for branch, value in (("side", 2.0), ("main", 1.0)):
            git("switch", "-q", branch)
            save("second.safetensors", {"x": value})
            git("add", ".")
            git("commit", "-qm", "second")
        git("merge", "--no-edit", "side")
        assert load(MODEL) == THEIRS_WINS
        assert load("second.safetensors") == {"x": 2.0}


class TestWithoutATerminal:
    def test_rebase_stops_resolves_and_goes_on(self, forked: Path, git: Git, run: Run) -> None:
        done = run("git", "rebase", "side")
        assert done.returncode == 1
        assert "git theta resolve" in done.stderr
        theta(run, "resolve", "-s", "take-theirs")
        assert run("git", "rebase", "--continue", env={"GIT_EDITOR": "true"}).returncode == 0
        assert load(MODEL) == OURS_WINS

    def test_cherry_pick_stops_and_can_be_aborted(self, forked: Path, git: Git, run: Run) -> None:
        assert run("git", "cherry-pick", "side").returncode == 1
        git("cherry-pick", "--abort")
        assert load(MODEL) == OURS
        assert clean(git)

    def test_stash_pop_keeps_the_stash(self, forked: Path, git: Git, run: Run) -> None:
        save(MODEL, {**OURS, "a": 5.0})
        git("stash")
        git("checkout", "-q", "side")
        assert run("git", "stash", "pop").returncode == 1
        assert "stash@{0}" in git("stash", "list")
        assert load(MODEL) == {**THEIRS, "a": 3.0}

    def test_checkout_m_brings_a_conflict_back(self, forked: Path, git: Git, run: Run) -> None:
        run("git", "merge", "side")
        theta(run, "resolve", "-s", "take-theirs")
        git("checkout", "-m", "--", MODEL)
        assert git("ls-files", "-u", MODEL) != ""
        assert load(MODEL) == OURS_WINS
        git("merge", "--abort")
        assert load(MODEL) == OURS

    def test_a_checkpoint_deleted_on_one_side_is_a_conflict_of_git_s_own(
        self, forked: Path, git: Git, run: Run
    ) -> None:
        git("rm", "-q", MODEL)
        git("commit", "-qm", "delete")
        assert run("git", "merge", "side").returncode == 1
        done = theta(run, "resolve", "-s", "take-theirs")
        assert done.returncode == 1
        assert "ours deleted the file" in done.stderr
        git("merge", "--abort")

    def test_tracked_on_one_side_only(self, repo: Path, git: Git, run: Run) -> None:
        track_on_one_side(repo, git)
        assert run("git", "merge", "--no-edit", "side").returncode == 1
        assert theta(run, "resolve", "-s", "take-theirs").returncode == 0
        assert load(MODEL) == THEIRS_WINS


def track_on_one_side(repo: Path, git: Git) -> None:
    attributes = (repo / ".gitattributes").read_text()
    (repo / ".gitattributes").write_text("")
    save(MODEL, BASE)
    git("add", ".")
    git("commit", "-qm", "base, not tracked")
    git("switch", "-qc", "side")
    save(MODEL, THEIRS)
    git("commit", "-qam", "theirs, not tracked")
    git("switch", "-q", "main")
    (repo / ".gitattributes").write_text(attributes)
    save(MODEL, OURS)
    git("add", "--renormalize", ".")
    git("commit", "-qm", "ours, tracked")


LATER = {**OURS, "a": 5.0}
OPERATIONS = {
    "merge": ("true", "git merge --no-edit side", THEIRS_WINS),
    "merge --no-commit": ("true", "git merge --no-commit side", THEIRS_WINS),
    "merge --squash": ("true", "git merge --squash side", THEIRS_WINS),
    "pull": ("true", "git pull --no-rebase --no-edit . side", THEIRS_WINS),
    "rebase": ("true", "git rebase side", OURS_WINS),
    "rebase -i": ("true", "git -c sequence.editor=true rebase -i --no-ff side", OURS_WINS),
    "rebase --rebase-merges": ("true", "git rebase --rebase-merges side", OURS_WINS),
    "rebase --onto": ("true", "git rebase --onto side main~1 main", OURS_WINS),
    "cherry-pick of a range": ("true", "git cherry-pick main~1..side", THEIRS_WINS),
    "revert": ("git commit -qam later", "git revert --no-edit HEAD~1", {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}),
    "stash pop": ("git stash -q; git checkout -q side", "git stash pop", {**THEIRS, "a": 5.0}),
    "stash apply": ("git stash -q; git checkout -q side", "git stash apply", {**THEIRS, "a": 5.0}),
    "am -3": ("git format-patch -q --binary -1 side", "git am -3 0001-theirs.patch", THEIRS_WINS),
    "checkout -m": ("true", "git checkout -q -m side", {**THEIRS, "a": 5.0}),
}
"""what is done before, the operation itself, and what the checkpoint holds once theirs was taken"""
GO_ON = {
    **dict.fromkeys(["merge", "merge --no-commit", "merge --squash", "pull"], "git commit"),
    **dict.fromkeys(["rebase", "rebase -i", "rebase --rebase-merges", "rebase --onto"], "git rebase --continue"),
    "cherry-pick of a range": "git cherry-pick --continue",
    "revert": "git revert --continue",
    "am -3": "git am --continue",
}
"""what finishes an operation that stopped; the others do not wait for anything"""
DIRTY = ("revert", "stash pop", "stash apply", "checkout -m")
"""operations that begin with a change that is not committed"""


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest, forked: Path, run: Run) -> tuple[str, str]:
    """The name and command of an operation that is about to find a conflict in group a."""
    before, command, _ = OPERATIONS[request.param]
    if request.param in DIRTY:
        save(MODEL, LATER)
    assert run("sh", "-c", before).returncode == 0
    return request.param, command


def test_an_operation_asks_at_a_terminal(operation: tuple[str, str]) -> None:
    name, command = operation
    with running(*command.split(), term="dumb") as terminal:
        assert "a: both changed F32[4,3]" in terminal.until("quit, ? >")
        terminal.press("take-theirs\n")
        terminal.until("1 / 1 settled")
        assert terminal.code() == 0
    assert load(MODEL) == OPERATIONS[name][2]


def test_an_operation_stops_without_one_and_is_resolved(operation: tuple[str, str], git: Git, run: Run) -> None:
    name, command = operation
    done = run(*command.split())
    if name != "checkout -m":  # of which git 2.55 shows its own words only
        assert "1 of 4 parameter groups in conflict" in done.stderr + done.stdout
        assert f"git theta resolve {MODEL} --strategy NAME" in done.stderr + done.stdout
    assert git("ls-files", "-u", MODEL) != ""
    status = theta(run, "status").stdout
    assert f"{MODEL}\n    unmerged; type: git theta resolve {MODEL}\n" in status
    done = theta(run, "resolve", "-s", "take-theirs")
    assert done.returncode == 0
    assert load(MODEL) == OPERATIONS[name][2]
    assert git("ls-files", "-u") == ""
    check_way_on(name, status, done.stdout, run)


def check_way_on(name: str, status: str, resolved: str, run: Run) -> None:
    """What was told to be typed next is what git waits for."""
    if name not in GO_ON:
        assert "waits" not in status
        assert "all checkpoints are merged and staged" in resolved
        assert "git stash drop" in resolved or name == "checkout -m"  # which git 2.55 does by a stash of its own
        return
    assert f"once nothing is in conflict, type: {GO_ON[name]}\n" in status
    assert f"all checkpoints are merged; finish with: {GO_ON[name]}\n" in resolved
    go_on = run("sh", "-c", GO_ON[name], env={"GIT_EDITOR": "true"})
    assert go_on.returncode == 0, go_on.stderr
    assert " waits" not in theta(run, "status").stdout
    assert load(MODEL) == OPERATIONS[name][2]


@pytest.mark.usefixtures("merge_programs")
def test_several_branches_ask_at_a_terminal(forked: Path, git: Git) -> None:
    git("switch", "-qc", "third", "main~1")
    save(MODEL, {**BASE, "a": 8.0})
    git("commit", "-qam", "third")
    git("switch", "-q", "main")
    with running("git", "-c", "pull.octopus=theta", "merge", "--no-edit", "side", "third", term="dumb") as terminal:
        shown = terminal.until("quit, ? >")
        assert "(ours: HEAD, theirs: side, side-3: third)" in shown
        assert "a: 3 sides changed F32[4,3]" in shown
        terminal.press("average\n")
        assert terminal.code() == 0
    assert load(MODEL) == {"a": 4.0, "b": 1.0, "c": 4.0, "d": 0.0}


def test_two_checkpoints_ask_one_after_the_other_at_a_terminal(forked: Path, git: Git) -> None:
    for branch, value in (("side", 2.0), ("main", 1.0)):
        git("switch", "-q", branch)
        save("second.safetensors", {"x": value})
        git("add", ".")
        git("commit", "-qm", "second")
    with running("git", "merge", "--no-edit", "side", term="dumb") as terminal:
        for conflict in ("x: both added", "a: both changed"):  # the order of git merge-ort
            terminal.until(conflict)
            terminal.press("take-theirs\n")
        assert terminal.code() == 0
    assert load(MODEL) == THEIRS_WINS
    assert load("second.safetensors") == {"x": 2.0}


def test_a_checkpoint_tracked_on_one_side_only_asks_at_a_terminal(repo: Path, git: Git) -> None:
    track_on_one_side(repo, git)
    with running("git", "merge", "--no-edit", "side", term="dumb") as terminal:
        terminal.until("a: both changed")
        terminal.press("take-theirs\n")
        assert terminal.code() == 0
    assert load(MODEL) == THEIRS_WINS


@pytest.mark.parametrize("bare", [False, True])
def test_merge_tree_asks_at_a_terminal(forked: Path, git: Git, bare: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(".git" if bare else ".")
    git("config", "core.bare", str(bare).lower())
    Path(forked, ".git/info/attributes").write_text("*.safetensors merge=theta\n")
    with running("git", "merge-tree", "--write-tree", "main", "side", term="dumb") as terminal:
        terminal.until("a: both changed")
        terminal.press("take-theirs\n")
        assert terminal.code() == 0
        tree = terminal.text.split()[-1]
    os.chdir(forked)
    git("config", "core.bare", "false")
    git("restore", f"--source={tree}", MODEL)
    assert load(MODEL) == THEIRS_WINS


def test_a_rebase_of_ten_commits_asks_once_and_again_not_at_all(forked: Path, git: Git) -> None:
    for value in range(1, 10):
        save(MODEL, {**OURS, "d": float(value)})
        git("commit", "-qam", f"d is {value}")
    git("branch", "ten")
    git("config", "theta.rerere", "true")
    with running("git", "rebase", "side", term="dumb") as terminal:
        terminal.until("quit, ? >")
        terminal.press("take-ours\n")
        assert terminal.code() == 0
        assert terminal.text.count("quit, ? >") == 1
    assert load(MODEL) == {**THEIRS_WINS, "d": 9.0}
    git("reset", "-q", "--hard", "ten")
    with running("git", "rebase", "side", term="dumb") as terminal:
        assert terminal.code() == 0
        assert "quit, ? >" not in terminal.text
    assert load(MODEL) == {**THEIRS_WINS, "d": 9.0}


def test_unrelated_histories_ask_at_a_terminal(forked: Path, git: Git) -> None:
    git("checkout", "-q", "--orphan", "unrelated")
    save(MODEL, {"a": 7.0, "b": 7.0, "c": 7.0, "d": 0.0})
    git("rm", "-q", "--cached", "notes.txt")
    (forked / "notes.txt").unlink()
    git("commit", "-qam", "unrelated")
    with running("git", "merge", "--no-edit", "--allow-unrelated-histories", "main", term="dumb") as terminal:
        terminal.until("a: both added")
        terminal.press("take-theirs for *\n")
        assert terminal.code() == 0
    assert load(MODEL) == OURS


def test_a_criss_cross_never_asks_about_merge_bases(forked: Path, git: Git) -> None:
    git("branch", "old-main")
    git("merge", "--no-edit", "-X", "theirs", "side")
    git("switch", "-q", "side")
    git("merge", "--no-edit", "-X", "ours", "old-main")
    save(MODEL, {**load(MODEL), "d": 9.0})
    git("commit", "-qam", "further")
    with running("git", "merge", "--no-edit", "main", term="dumb") as terminal:
        assert terminal.code() == 0
        assert "quit, ? >" not in terminal.text
    assert load(MODEL)["d"] == 9.0


def test_killed_at_any_point_a_merge_can_be_aborted(forked: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it came, what was there before is there again, and the merge can be done then."""
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    for seconds in (0.02, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
        killed(["git", "merge", "--no-edit", "side"], seconds, forked / ".git")
        if (forked / ".git/MERGE_HEAD").exists():
            git("merge", "--abort")
        git("reset", "-q", "--hard", "main@{0}" if git("log", "-1", "--format=%s") == "ours\n" else "HEAD~1")
        assert load(MODEL) == OURS
        assert clean(git)
    monkeypatch.delenv("GIT_THETA_STRATEGY")
    git("merge", "--no-edit", "-X", "theirs", "side")
    assert load(MODEL) == THEIRS_WINS


def linked_worktree(git: Git) -> str:
    git("worktree", "add", "-q", "../linked", "-b", "linked")
    os.chdir("../linked")
    return MODEL


def submodule(git: Git) -> str:
    git("init", "-q", "../outer")
    Path.cwd().rename("../outer/inner")
    os.chdir("..")
    git("submodule", "add", "-q", "./inner")
    git("submodule", "absorbgitdirs")
    os.chdir("inner")
    return MODEL


def shallow_clone(git: Git) -> str:
    full = Path.cwd()
    git("clone", "-q", "--depth=2", "--no-single-branch", full.as_uri(), "../shallow")
    os.chdir("../shallow")
    installation.install(Repository(), Scope.LOCAL, drivers.wanted(sys.executable))
    os.symlink(full / ".git/theta", ".git/theta")
    git("checkout", "-q", "HEAD", "--", ".")
    git("branch", "-q", "side", "origin/side")
    return MODEL


def sparse_checkout(git: Git) -> str:
    git("sparse-checkout", "set", "--no-cone", "/notes.txt", "/.gitattributes")
    assert not Path(MODEL).exists()
    return MODEL


def renamed_on_one_side(git: Git) -> str:
    git("mv", MODEL, "renamed.safetensors")
    git("commit", "-qm", "rename")
    return "renamed.safetensors"


def changed_mode(git: Git) -> str:
    git("switch", "-q", "side")
    Path(MODEL).chmod(0o755)
    git("commit", "-qam", "mode")
    git("switch", "-q", "main")
    return MODEL


@pytest.fixture(params=[linked_worktree, submodule, shallow_clone, sparse_checkout, renamed_on_one_side, changed_mode])
def place(request: pytest.FixtureRequest, forked: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> str:
    """The checkpoint, seen from the current folder, that a merge of branch side is about to find a conflict in."""
    monkeypatch.chdir(forked)
    found: str = request.param(git)
    return found


def check_merged(path: str, git: Git) -> None:
    if not Path(path).exists():
        git("sparse-checkout", "disable")
    assert load(path) == THEIRS_WINS
    assert clean(git)


@pytest.mark.usefixtures("scripted")
def test_a_merge_in_any_place(place: str, git: Git) -> None:
    git("merge", "--no-edit", "side")
    check_merged(place, git)


def test_a_merge_in_any_place_asks_at_a_terminal(place: str, git: Git) -> None:
    with running("git", "merge", "--no-edit", "side", term="dumb") as terminal:
        terminal.until("quit, ? >")
        terminal.press("take-theirs\n")
        assert terminal.code() == 0
    check_merged(place, git)


def test_a_merge_in_any_place_stops_without_one_and_is_resolved(place: str, git: Git, run: Run) -> None:
    done = run("git", "merge", "side")
    assert done.returncode == 1
    assert f"git theta resolve {place} --strategy NAME" in done.stderr
    assert theta(run, "resolve", "-s", "take-theirs").returncode == 0
    git("commit", "-q", "--no-edit")
    check_merged(place, git)
