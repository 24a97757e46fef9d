"""-X ours and -X theirs of a git command mean checkpoints too, on every system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from theta_merge.side_option import side_option


@pytest.fixture
def without_proc(forked: Path, git: Git, tmp_path: Path) -> Path:
    """As ``forked``, with a merge driver that finds no /proc, as on macOS and the BSDs."""
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import sys\nfrom pathlib import Path\nfrom theta_git import processes\nfrom theta_merge.driver import main\n"
        f"processes.PROC = Path({str(tmp_path / 'nowhere')!r})\nsys.exit(main())\n"
    )
    git("config", "merge.theta.driver", f"'{sys.executable}' -E -P '{driver}' %O %A %B %L %P %S %X %Y")
    return forked


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("merge -X ours side", "ours"),
        ("merge -Xtheirs side", "theirs"),
        ("rebase --strategy-option=ours main", "ours"),
        ("merge --strategy-option theirs side", "theirs"),
        ("merge -X ours -X theirs side", "theirs"),
        ("merge -X patience side", None),
        ("merge side", None),
    ],
)
def test_the_option_in_a_command_line(command: str, found: str | None) -> None:
    assert side_option(command.split()) == found


@pytest.mark.parametrize(
    ("arguments", "a"),
    [
        (("merge", "--no-edit", "-X", "theirs", "side"), 3.0),
        (("merge", "--no-edit", "-Xours", "side"), 1.0),
        (("merge", "-X", "theirs", "-m", "without -X ours", "side"), 3.0),
        (("cherry-pick", "-m", "1", "-X", "theirs", "merged"), 3.0),
        (("rebase", "-X", "theirs", "side"), 1.0),
    ],
)
def test_it_is_found_without_proc(without_proc: Path, git: Git, arguments: tuple[str, ...], a: float) -> None:
    git("branch", "merged", git("commit-tree", "side^{tree}", "-p", "main~1", "-p", "side", "-m", "merged").strip())
    git(*arguments)
    assert load(MODEL)["a"] == a


def test_the_words_of_a_message_are_no_options(without_proc: Path, run: Run) -> None:
    done = run("git", "merge", "-m", "not with -X theirs", "side")
    assert done.returncode == 1
    assert f"{MODEL}: 1 of 4 parameter groups in conflict" in done.stderr
