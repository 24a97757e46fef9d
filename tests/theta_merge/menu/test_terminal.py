"""The menus under git, in a real terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from tests.theta_merge.terminals import DOWN
from tests.theta_merge.terminals import ENTER
from tests.theta_merge.terminals import PATIENCE
from tests.theta_merge.terminals import PseudoTerminal
from tests.theta_merge.terminals import running
from theta_git.hooks import version
from theta_git.repository import Repository


@pytest.fixture
def two_conflicts(forked: Path, git: Git) -> Path:
    """As ``forked``, where both sides changed groups a, layer.0.w and layer.1.w."""
    for branch, value in (("side", 5.0), ("main", 6.0)):
        git("switch", "-q", branch)
        save(MODEL, {**load(MODEL), "layer.0.w": value, "layer.1.w": value})
        git("commit", "-qam", "more")
    return forked


def test_the_plain_prompt_on_a_dumb_terminal(two_conflicts: Path, git: Git) -> None:
    with running("git", "merge", "--no-edit", "side", term="dumb") as terminal:
        terminal.until("[1/3] a: both changed F32[4,3]")
        terminal.until("quit, ? >")
        terminal.press("take-theirs for a\n")
        terminal.until("[2/3] layer.0.w")
        terminal.press("take-nonsense\n")
        terminal.until("no strategy is called 'take-nonsense'")
        terminal.press("1 for layer.*\n")
        terminal.until("3 / 3 settled")
        assert terminal.code() == 0
    assert {name: value for name, value in load(MODEL).items() if name != "c"} == {
        "a": 3.0, "b": 1.0, "d": 0.0, "layer.0.w": 6.0, "layer.1.w": 6.0,
    }  # fmt: skip


def test_quitting_keeps_the_choices_for_later(two_conflicts: Path, git: Git) -> None:
    with running("git", "merge", "side", term="dumb") as terminal:
        terminal.until("quit, ? >")
        terminal.press("take-theirs\n")
        terminal.until("[2/3]")
        terminal.press("quit\n")
        terminal.until("2 of 6 parameter groups in conflict")
        assert terminal.code() == 1
    with running(sys.executable, "-m", "theta_cli.main", "resolve", term="dumb") as terminal:
        terminal.until("a: take-theirs")
        terminal.until("do it again? [Y/n]")
        terminal.press("\n")
        terminal.until("[2/3]")
        terminal.press("take-ours for *\n")
        assert terminal.code() == 0
    assert load(MODEL)["a"] == 1.0


def test_the_full_screen_menu(two_conflicts: Path, git: Git) -> None:
    with running("git", "merge", "--no-edit", "side") as terminal:
        shown = terminal.until("q done")
        assert "m.safetensors (ours: HEAD, theirs: side)" in shown
        assert "0 / 3 settled" in shown
        terminal.press(DOWN + ENTER)
        assert "layer.0.w" in terminal.until("take-theirs")
        terminal.press(DOWN + ENTER)
        terminal.until("take-theirs for 2 parameter groups")
        terminal.press("u")
        terminal.until("undone")
        terminal.press("r")
        terminal.until("done again")
        terminal.press("w")
        terminal.until("save>")
        terminal.press("r.toml" + ENTER)
        terminal.until("wrote r.toml")
        terminal.press("?")
        terminal.until("estimated from sketches")
        terminal.press("x")
        terminal.until("q done")
        terminal.press("/")
        terminal.until("filter>")
        terminal.press("a*" + ENTER)
        terminal.until("1 of 3 shown")
        terminal.press("a")
        terminal.until("Enter take")
        terminal.press(ENTER)
        terminal.until("3 / 3 settled")
        terminal.press("q")
        assert terminal.code() == 0
    assert load(MODEL) == {"a": 1.0, "b": 1.0, "c": 4.0, "d": 0.0, "layer.0.w": 5.0, "layer.1.w": 5.0}
    assert (two_conflicts / "r.toml").read_text() == '[[rule]]\nmatch = "layer.*"\nstrategy = "take-theirs"\n'


@pytest.mark.skipif(version(Repository()) < (2, 44), reason="git does not tell how it calls the sides")
def test_the_menu_calls_the_sides_as_the_operation_does(forked: Path, git: Git) -> None:
    with running("git", "rebase", "side", columns=140) as terminal:
        assert "(ours)" in terminal.until("q done")
        terminal.press("\x03")
        terminal.code()
    git("rebase", "--abort")


def test_a_preview_is_computed_on_request(forked: Path, git: Git, run: Run) -> None:
    with running("git", "merge", "--no-edit", "side") as terminal:
        terminal.until("q done")
        terminal.press(ENTER)
        terminal.until("Enter take")
        terminal.press(DOWN * 3 + "p")
        terminal.until("a by average:")
        terminal.until("from ours")
        terminal.press("e")
        terminal.until("options>")
        terminal.press("weights=0.5,0.5" + ENTER)
        terminal.until("1 / 1 settled")
        terminal.press("q")
        assert terminal.code() == 0
    assert load(MODEL)["a"] == 2.0


def test_control_c_keeps_everything_as_a_conflict(two_conflicts: Path, git: Git) -> None:
    with running("git", "merge", "side") as terminal:
        terminal.until("q done")
        terminal.press("\x03")
        assert terminal.code() == 1
    assert git("ls-files", "-u", MODEL) != ""
    git("merge", "--abort")


def test_mergetool_opens_the_menu(two_conflicts: Path, git: Git, run: Run) -> None:
    run("git", "merge", "side")
    git("config", "mergetool.theta.cmd", f'"{sys.executable}" -E -P -m theta_cli.main mergetool "$MERGED"')
    git("config", "mergetool.theta.trustExitCode", "true")
    with running("git", "mergetool", "--no-prompt", "--tool=theta", term="dumb") as terminal:
        terminal.until("quit, ? >")
        terminal.press("take-theirs for *\n")
        assert terminal.code() == 0
    assert load(MODEL)["a"] == 3.0
    assert git("ls-files", "-u") == ""


def test_killed_while_it_asks_leaves_everything_as_it_was(two_conflicts: Path, git: Git) -> None:
    before = load(MODEL)
    with running("git", "merge", "side", term="dumb") as terminal:
        terminal.until("quit, ? >")
        os.killpg(os.getpgid(terminal.children()[0]), signal.SIGKILL)
        terminal.code()
    (two_conflicts / ".git/index.lock").unlink(missing_ok=True)
    assert load(MODEL) == before
    assert git("status", "--porcelain", "--untracked-files=no") == ""
    assert not (two_conflicts / ".git/MERGE_HEAD").exists()


def test_control_c_at_the_plain_prompt_leaves_nothing_behind_and_remembers(two_conflicts: Path, git: Git) -> None:
    with running("bash", "--norc", "-i", term="dumb", columns=160) as terminal:
        terminal.press("git merge side\n")
        choose_theirs_for_a(terminal, "dumb")
        terminal.press("\x03")
        terminal.until("ours is kept as it is, and what was chosen is remembered")
        terminal.press("exit\n")
        terminal.code()
    check_remembered(two_conflicts, git, "dumb")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_that_goes_away_leaves_nothing_behind_and_remembers(
    two_conflicts: Path, git: Git, term: str
) -> None:
    with running("git", "merge", "side", term=term) as terminal:
        choose_theirs_for_a(terminal, term)
        os.killpg(os.getpgid(terminal.children()[0]), signal.SIGHUP)
        terminal.code()
    check_remembered(two_conflicts, git, term)


def check_remembered(folder: Path, git: Git, term: str) -> None:
    end = time.monotonic() + PATIENCE
    while git("status", "--porcelain") and time.monotonic() < end:
        time.sleep(0.05)
    assert git("status", "--porcelain") == ""
    assert load(MODEL)["a"] == 1.0
    assert not (folder / ".git/MERGE_HEAD").exists()
    with running("git", "merge", "side", term=term) as terminal:
        terminal.until("a: take-theirs" if term == "dumb" else "1 / 3 settled")
        terminal.press("\x03")
        terminal.code()


def choose_theirs_for_a(terminal: PseudoTerminal, term: str) -> None:
    if term == "dumb":
        terminal.until("quit, ? >")
        terminal.press("take-theirs\n")
        terminal.until("[2/3]")
    else:
        terminal.until("q done")
        terminal.press(ENTER)
        terminal.until("Enter take")
        terminal.press(DOWN + ENTER)
        terminal.until("1 / 3 settled")


def test_what_is_pasted_is_no_keys(two_conflicts: Path) -> None:
    with running("git", "merge", "side") as terminal:
        terminal.until("q done")
        terminal.press("\x1b[200~aqqq\r\n\x1b[201~")
        terminal.press("/")
        terminal.until("filter>")
        terminal.press("\x1b[200~lay\ner\x1b[201~")
        terminal.until("filter> layer_")
        terminal.press(ENTER)
        terminal.until("2 of 3 shown")
        terminal.press("\x03")
        assert terminal.code() == 1


def test_control_z_gives_the_shell_back_and_fg_the_menu(two_conflicts: Path) -> None:
    with running("bash", "--norc", "-i") as terminal:
        terminal.press("git merge side\n")
        terminal.until("q done")
        terminal.press("\x1a")
        terminal.until("Stopped")
        terminal.press("clear; fg\n")
        terminal.until("0 / 3 settled")
        terminal.press("\x03")
        terminal.until("Automatic merge failed")
        terminal.press("exit\n")
        terminal.code()
