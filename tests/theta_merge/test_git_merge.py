"""git merge --strategy NAME: checkpoints by the strategy, all else exactly as git's own default merge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save

pytestmark = pytest.mark.usefixtures("merge_programs")


@pytest.mark.parametrize(
    ("arguments", "a"),
    [
        (("--strategy", "take-theirs"), 3.0),
        (("-s", "take-base"), 0.0),
        (("-s", "theta", "-X", "strategy=take-theirs"), 3.0),
    ],
)
def test_a_strategy_on_the_command_line(forked: Path, git: Git, arguments: tuple[str, ...], a: float) -> None:
    git("merge", "--no-edit", *arguments, "side")
    assert load(MODEL) == {"a": a, "b": 1.0, "c": 4.0, "d": 0.0}
    assert (forked / "notes.txt").read_text() == "ONE\ntwo\nTHREE\n"
    assert len(git("rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert git("status", "--porcelain") == ""


def test_average_with_weights(forked: Path, git: Git) -> None:
    git("merge", "--no-edit", "--strategy", "average", "-X", "weights=0.75,0.25", "side")
    assert load(MODEL)["a"] == 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-s", "average", "-X", "wieghts=1,2"), "did you mean weights"),
        (("-s", "average", "-X", "weights=1,2,3"), "one per side"),
        (("-s", "theta", "-X", "strategy=avrage"), "did you mean average"),
    ],
)
def test_mistakes_are_found_before_anything_is_touched(
    forked: Path, git: Git, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = run("git", "merge", *arguments, "side")
    assert done.returncode == 2
    assert message in done.stderr
    assert load(MODEL) == OURS
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("staged", [False, True])
def test_local_changes_are_never_overwritten(forked: Path, git: Git, run: Run, staged: bool) -> None:
    (forked / "notes.txt").write_text("mine\n")
    if staged:
        git("add", "notes.txt")
    done = run("git", "merge", "-s", "take-theirs", "side")
    assert done.returncode == 2
    assert (forked / "notes.txt").read_text() == "mine\n"
    assert load(MODEL) == OURS
    assert not (forked / ".git/MERGE_HEAD").exists()


def test_a_strategy_that_leaves_conflicts(forked: Path, git: Git, run: Run) -> None:
    done = run("git", "merge", "-s", "theta", "side")
    assert done.returncode == 1
    assert "resolve with" in done.stderr
    assert git("diff", "--name-only", "--diff-filter=U").split() == [MODEL]
    git("merge", "--abort")
    assert load(MODEL) == OURS


def content_conflict() -> None:
    Path("notes.txt").write_text("ours\n")


def rename_and_edit() -> None:
    os.rename("notes.txt", "renamed.txt")


def delete() -> None:
    Path("notes.txt").unlink()


def file_in_the_way() -> None:
    Path("notes.txt").unlink()
    Path("notes.txt").mkdir()
    Path("notes.txt/inside").write_text("a file\n")


def mode_change() -> None:
    Path("notes.txt").chmod(0o755)


def both_add() -> None:
    Path("new").mkdir()
    Path("new/file.txt").write_text("ours\n")


def theirs_too() -> None:
    Path("new").mkdir(exist_ok=True)
    Path("new/file.txt").write_text("theirs\n")
    Path("new/other.txt").write_text("theirs\n")


@pytest.mark.parametrize("change", [content_conflict, rename_and_edit, delete, file_in_the_way, mode_change, both_add])
def test_ordinary_files_are_merged_as_git_merges_them(
    empty_repo: Path, git: Git, run: Run, change: Callable[[], None]
) -> None:
    Path("notes.txt").write_text("".join(f"line {number}\n" for number in range(20)))
    git("add", ".")
    git("commit", "-qm", "base")
    git("switch", "-qc", "side")
    Path("notes.txt").write_text(Path("notes.txt").read_text() + "theirs\n")
    theirs_too()
    git("add", ".")
    git("commit", "-qm", "theirs")
    git("switch", "-q", "main")
    change()
    git("add", ".")
    git("commit", "-qm", "ours")
    seen = []
    for strategy in ("ort", "take-ours"):
        done = run("git", "merge", "--no-edit", "-s", strategy, "side")
        seen.append((done.returncode, git("ls-files", "-s"), git("write-tree") if not done.returncode else "", files()))
        git("reset", "-q", "--hard", "main~1" if not done.returncode else "main")
        git("clean", "-qfd")
    assert seen[0] == seen[1]


def files() -> dict[str, str]:
    paths = sorted(path for path in Path().rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path): path.read_text() for path in paths}


def test_cherry_pick_and_rebase_with_a_strategy(forked: Path, git: Git) -> None:
    copy = forked.parent / "copy"
    shutil.copytree(forked, copy)
    git("cherry-pick", "--strategy", "take-theirs", "side")
    assert load(MODEL) == {"a": 3.0, "b": 1.0, "c": 4.0, "d": 0.0}
    os.chdir(copy)
    git("rebase", "-s", "take-theirs", "side")
    assert load(MODEL) == {"a": 1.0, "b": 1.0, "c": 4.0, "d": 0.0}


def test_a_conflicting_cherry_pick_names_the_sides_in_its_markers(forked: Path, git: Git, run: Run) -> None:
    (forked / "notes.txt").write_text("ONE\ntwo\nmine\n")
    git("commit", "-qam", "more")
    done = run("git", "cherry-pick", "--strategy", "take-theirs", "side")
    assert done.returncode == 1
    text = (forked / "notes.txt").read_text()
    assert "<<<<<<< HEAD\n" in text
    assert f">>>>>>> {git('rev-parse', 'side').strip()}\n" in text


def test_unrelated_histories(forked: Path, git: Git) -> None:
    git("checkout", "-q", "--orphan", "other")
    git("rm", "-qrf", ".")
    (forked / "other.txt").write_text("other\n")
    git("add", "other.txt")
    git("commit", "-qm", "unrelated")
    git("merge", "--no-edit", "--allow-unrelated-histories", "-s", "take-theirs", "main")
    assert load(MODEL) == OURS
    assert (forked / "other.txt").exists()


@pytest.mark.parametrize("strategy", [("-s", "theta"), ()])
@pytest.mark.parametrize(("side", "a"), [("ours", 1.0), ("theirs", 3.0)])
def test_git_s_own_side_options_mean_checkpoints_too(
    forked: Path, git: Git, strategy: tuple[str, ...], side: str, a: float
) -> None:
    git("merge", "--no-edit", *strategy, "-X", side, "side")
    assert load(MODEL)["a"] == a
    assert (forked / "notes.txt").read_text() == "ONE\ntwo\nTHREE\n"


def test_git_s_own_options_reach_ordinary_files(forked: Path, git: Git) -> None:
    (forked / "notes.txt").write_text("ONE\ntwo\nmine\n")
    git("commit", "-qam", "more")
    git("merge", "--no-edit", "-s", "take-theirs", "-X", "ours", "side")
    assert (forked / "notes.txt").read_text() == "ONE\ntwo\nmine\n"
    assert load(MODEL)["a"] == 3.0


def test_a_strategy_for_every_merge_by_configuration(forked: Path, git: Git) -> None:
    git("config", "pull.twohead", "take-theirs")
    git("merge", "--no-edit", "side")
    assert load(MODEL)["a"] == 3.0


def test_a_recipe_as_an_option(forked: Path, git: Git, run: Run) -> None:
    (forked / "r.toml").write_text('[[rule]]\nmatch = "a"\nstrategy = "take-theirs"\n')
    done = run("git", "merge", "-s", "theta", "-X", "recipe=nowhere.toml", "side")
    assert done.returncode == 2
    assert "cannot read the recipe nowhere.toml" in done.stderr
    git("merge", "--no-edit", "-s", "theta", "-X", "recipe=r.toml", "side")
    assert load(MODEL)["a"] == 3.0


def test_file_names_that_are_no_utf_8(forked: Path, git: Git, run: Run) -> None:
    odd = os.fsdecode(b"od\xffd\n.safetensors")
    for branch, value in (("side", 2.0), ("main", 1.0)):
        git("switch", "-q", branch)
        save("plain", {"x": value})
        os.rename("plain", odd)
        git("add", ".")
        git("commit", "-qm", "odd")
    done = subprocess.run(["git", "merge", "--no-edit", "-s", "take-theirs", "side"], capture_output=True, check=True)
    assert b"Auto-merging od\xffd" in done.stdout
    os.rename(odd, "plain")
    assert load("plain") == {"x": 2.0}


@pytest.mark.parametrize("branches", [("theirs",), ("other", "theirs")])
def test_conflicts_in_ordinary_files_of_a_sha_256_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git, run: Run, branches: tuple[str, ...]
) -> None:
    git("init", "-q", "-b", "main", "--object-format=sha256", str(tmp_path / "sha256"))
    monkeypatch.chdir(tmp_path / "sha256")
    for branch, start, text in (
        ("main", None, "0"),
        ("theirs", "main", "1"),
        ("other", "main", "0"),
        ("main", None, "2"),
    ):
        git("switch", "-qc", branch, start) if start else None
        git("switch", "-q", "main") if text == "2" else None
        Path("notes.txt").write_text(text)
        Path(branch).touch()
        git("add", ".")
        git("commit", "-qm", branch)
    done = run("git", "merge", "-s", "average", *branches)
    assert done.returncode == 1
    assert [line.split()[2] for line in git("ls-files", "-u", "notes.txt").splitlines()] == ["1", "2", "3"]
    git("merge", "--abort")
