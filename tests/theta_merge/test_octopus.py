"""Several branches in one merge commit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Begun
from tests.conftest import Git
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import fork
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from tests.theta_merge.conftest import theta

CONTENDED = ["added", "deleted here", "deleted there", "text"]
"""the ordinary files in which main and third conflict"""

pytestmark = pytest.mark.usefixtures("merge_programs")


@pytest.fixture
def three(repo: Path, begun: Begun, git: Git) -> Path:
    """As ``forked``, with a third branch, which changed groups a and d."""
    begun("three", lambda: fork_thrice(git))
    return repo


def fork_thrice(git: Git) -> None:
    fork(git)
    git("switch", "-qc", "third", "main~1")
    save(MODEL, {**BASE, "a": 8.0, "d": 8.0})
    Path("third.txt").write_text("third\n")
    git("add", ".")
    git("commit", "-qm", "third")
    git("switch", "-q", "main")


def test_all_versions_go_to_the_strategy_at_once(three: Path, git: Git) -> None:
    git("merge", "--no-edit", "-s", "average", "-X", "weights=0.5,0.25,0.25", "side", "third")
    assert load(MODEL) == {"a": 0.5 * 1 + 0.25 * 3 + 0.25 * 8, "b": 1.0, "c": 4.0, "d": 8.0}
    assert (three / "notes.txt").read_text() == "ONE\ntwo\nTHREE\n"
    assert (three / "third.txt").exists()
    assert len(git("rev-list", "--parents", "-1", "HEAD").split()) == 4
    assert git("status", "--porcelain") == ""


def test_take_theirs_takes_the_last(three: Path, git: Git) -> None:
    git("merge", "--no-edit", "-s", "take-theirs", "side", "third")
    assert load(MODEL) == {"a": 8.0, "b": 1.0, "c": 4.0, "d": 8.0}


def test_pull_octopus_names_the_default(three: Path, git: Git) -> None:
    git("config", "pull.octopus", "theta")
    git("config", "theta.merge.strategy", "take-ours")
    git("merge", "--no-edit", "side", "third")
    assert load(MODEL) == {"a": 1.0, "b": 1.0, "c": 4.0, "d": 8.0}


def test_conflicts_that_nothing_settles_end_the_merge(three: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "-s", "theta", "side", "third")
    assert done.returncode == 2
    assert "begin again with: git merge --strategy NAME side third" in done.stderr
    assert load(MODEL) == OURS
    assert git("status", "--porcelain") == ""


def test_ordinary_files_are_merged_as_git_s_own_octopus_merges_them(empty_repo: Path, git: Git) -> None:
    """Renames, deletions, modes and new files, and a folder that one branch renames while another adds to it."""

    def commit(branch: str, files: dict[str, str], gone: tuple[str, ...] = ()) -> None:
        git("switch", "-qc", branch, "main") if branch != "main" else None
        for name in gone:
            git("rm", "-q", name)
        for name, content in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content)
        git("add", ".")
        git("commit", "-qm", branch)

    lines = "".join(f"line {number}\n" for number in range(30))
    commit("main", {"text": lines, "old/a": lines * 2, "old/b": lines * 3, "gone": "gone\n"})
    commit(
        "one",
        {"text": lines.replace("line 2\n", "LINE 2\n"), "new/a": lines * 2, "new/b": lines * 3},
        ("old/a", "old/b"),
    )
    commit("two", {"text": lines.replace("line 27\n", "LINE 27\n"), "old/c": "added\n"}, ("gone",))
    git("switch", "-q", "main")
    commit("main", {"text": lines.replace("line 14\n", "LINE 14\n")})
    trees = []
    for strategy in ("octopus", "theta"):
        git("merge", "--no-edit", "-s", strategy, "one", "two")
        trees.append(git("rev-parse", "HEAD^{tree}"))
        assert git("status", "--porcelain") == ""
        git("reset", "-q", "--hard", "HEAD~1")
    assert trees[0] == trees[1]


@pytest.fixture
def contended(repo: Path, begun: Begun, git: Git) -> Path:
    """As ``three``, where main and third changed ordinary files against each other in every way."""
    begun("contended", lambda: contend(git))
    return repo


def contend(git: Git) -> None:
    fork_thrice(git)
    files = {"text": "one\ntwo\nthree\n", "deleted here": "1\n", "deleted there": "2\n"}

    def commit(branch: str, changed: dict[str, str], gone: str) -> None:
        git("switch", "-q", branch)
        git("merge", "-q", "--no-edit", "-s", "ours", "before")
        git("checkout", "-q", "before", "--", *files)
        Path(gone).unlink()
        for name, content in changed.items():
            Path(name).write_text(content)
        git("add", "-A")
        git("commit", "-qm", f"against {branch}")

    git("switch", "-qc", "before", "main~1")
    for name, content in files.items():
        Path(name).write_text(content)
    git("add", ".")
    git("commit", "-qm", "before")
    commit("main", {"text": "one\nMAIN\nthree\n", "added": "main\n", "deleted there": "main\n"}, "deleted here")
    commit("third", {"text": "one\nTHIRD\nthree\n", "added": "third\n", "deleted here": "third\n"}, "deleted there")
    git("switch", "-q", "main")


def test_the_last_branch_leaves_its_conflicts_in_ordinary_files_as_with_git(
    contended: Path, git: Git, run: Run
) -> None:
    """The same stages in the index, the same text, the same way back; but for what conflict markers are called."""
    for branch in ("side", "third"):  # git's own octopus cannot merge checkpoints
        git("switch", "-q", branch)
        git("checkout", "main", "--", MODEL)
        git("commit", "-qm", "the same checkpoint")
    git("switch", "-q", "main")
    head, heads = git("rev-parse", "HEAD"), git("rev-parse", "side", "third").split()
    found = []
    for strategy in ("octopus", "average"):
        done = run("git", "merge", "-s", strategy, "side", "third")
        assert done.returncode == 1
        assert "Automatic merge failed; fix conflicts and then commit the result." in done.stdout
        assert Path(".git/MERGE_HEAD").read_text().split() == heads
        text = re.sub("(<<<<<<<|>>>>>>>) .*", r"\1", Path("text").read_text())
        found.append((git("ls-files", "-s"), text, Path("deleted there").read_text(), Path("notes.txt").read_text()))
        git("merge", "--abort")
        assert git("rev-parse", "HEAD") == head
        assert git("status", "--porcelain") == ""
    assert found[0] == found[1]


def test_checkpoints_of_all_branches_are_settled_beside_such_conflicts(contended: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "-s", "average", "side", "third")
    assert "CONFLICT (content): Merge conflict in text" in done.stdout
    assert ">>>>>>> third" in Path("text").read_text()
    assert git("diff", "--name-only", "--diff-filter=U").split("\n") == [*CONTENDED, ""]
    assert load(MODEL) == {"a": 4.0, "b": 1.0, "c": 4.0, "d": 8.0}
    git("merge", "--abort")
    assert load(MODEL) == OURS
    assert git("status", "--porcelain") == ""


def test_a_commit_concludes_it_with_all_parents(contended: Path, git: Git, run: Run) -> None:
    run("git", "merge", "-s", "average", "side", "third")
    git("add", *CONTENDED)
    git("commit", "-q", "--no-edit")
    assert len(git("rev-list", "--parents", "-1", "HEAD").split()) == 4
    assert load(MODEL) == {"a": 4.0, "b": 1.0, "c": 4.0, "d": 8.0}


def test_conflicts_with_an_earlier_branch_end_the_merge_as_with_git(contended: Path, git: Git, run: Run) -> None:
    for strategy, said in (("octopus", "Should not be doing an octopus."), ("average", "name third last, or merge it")):
        done = run("git", "merge", "-s", strategy, "third", "side")
        assert done.returncode == 2
        assert said in done.stderr + done.stdout
        assert not Path(".git/MERGE_HEAD").exists()
        assert git("status", "--porcelain") == ""
    assert "CONFLICT (content): Merge conflict in text" in done.stderr
    assert load(MODEL) == OURS


@pytest.mark.parametrize("renaming", ["main", "side", "third"])
def test_a_checkpoint_that_one_branch_renamed(repo: Path, git: Git, run: Run, renaming: str) -> None:
    same = {f"same.{number}": float(number) for number in range(20)}
    for branch, start, groups in (
        ("base", "main", BASE), ("side", "base", THEIRS), ("third", "base", {**BASE, "a": 8.0, "d": 8.0}),
        ("main", "base", OURS),
    ):  # fmt: skip
        git("checkout", "-q", *(["--orphan", "base"] if branch == "base" else ["-b", branch, start]))
        save(MODEL, {**same, **groups})
        git("add", ".")
        git("commit", "-qm", branch)
    git("switch", "-q", renaming)
    git("mv", MODEL, "renamed.safetensors")
    git("commit", "-qm", "rename")
    git("switch", "-q", "main")
    told = theta(run, "merge", "--dry-run", "-s", "average", "side", "third").stdout
    counts = "24 parameter groups: 20 unchanged, 1 by average, 1 from ours, 1 from theirs, 1 from side-3"
    assert told == f"renamed.safetensors: {counts}\n"
    git("merge", "--no-edit", "-s", "average", "side", "third")
    assert load("renamed.safetensors") == {**same, "a": 4.0, "b": 1.0, "c": 4.0, "d": 8.0}
    assert not Path(MODEL).exists()


@pytest.mark.parametrize("deleting", ["side", "third"])
def test_a_checkpoint_that_two_branches_changed_and_one_deleted_ends_the_merge(
    three: Path, git: Git, run: Run, deleting: str
) -> None:
    git("switch", "-q", deleting)
    git("rm", "-q", MODEL)
    git("commit", "-qm", "delete")
    git("switch", "-q", "main")
    done = run("git", "merge", "-s", "average", "side", "third")
    assert done.returncode == 2
    assert MODEL in done.stderr
    assert git("status", "--porcelain") == ""
    assert load(MODEL) == OURS


def test_a_checkpoint_that_only_some_sides_have(three: Path, git: Git) -> None:
    for branch, value in (("side", 2.0), ("third", 3.0)):
        git("switch", "-q", branch)
        save("new.safetensors", {"x": value, "y": 7.0})
        git("add", ".")
        git("commit", "-qm", "new")
    git("switch", "-q", "main")
    git("merge", "--no-edit", "-s", "take-theirs", "side", "third")
    assert load("new.safetensors") == {"x": 3.0, "y": 7.0}
