"""Several branches in one merge commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save

pytestmark = pytest.mark.usefixtures("merge_programs")


@pytest.fixture
def three(forked: Path, git: Git) -> Path:
    """As ``forked``, with a third branch, which changed groups a and d."""
    git("switch", "-qc", "third", "main~1")
    save(MODEL, {**BASE, "a": 8.0, "d": 8.0})
    (forked / "third.txt").write_text("third\n")
    git("add", ".")
    git("commit", "-qm", "third")
    git("switch", "-q", "main")
    return forked


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


def test_conflicts_in_ordinary_files_end_the_merge(three: Path, git: Git, run: Run) -> None:
    (three / "third.txt").write_text("mine\n")
    git("add", ".")
    git("commit", "-qm", "mine too")
    done = run("git", "merge", "-s", "take-ours", "side", "third")
    assert done.returncode == 2
    assert "third.txt: conflicts with" in done.stderr
    assert git("status", "--porcelain") == ""


def test_a_checkpoint_that_only_some_sides_have(three: Path, git: Git) -> None:
    for branch, value in (("side", 2.0), ("third", 3.0)):
        git("switch", "-q", branch)
        save("new.safetensors", {"x": value, "y": 7.0})
        git("add", ".")
        git("commit", "-qm", "new")
    git("switch", "-q", "main")
    git("merge", "--no-edit", "-s", "take-theirs", "side", "third")
    assert load("new.safetensors") == {"x": 3.0, "y": 7.0}
