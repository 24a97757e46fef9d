"""Who started us, and how."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from theta_git import processes

SHOW = (
    "from pathlib import Path; from theta_git import processes; import sys; processes.PROC = Path(sys.argv[1]); "
    "[print(one.parent, one.exact, *one.words, sep='|') for one in processes.above(2)]"
)


def shown_below_a_shell(proc: str) -> list[list[str]]:
    """The two processes above a program that a shell runs for us, as it sees them."""
    program = f'"{sys.executable}" -c "{SHOW}" "{proc}"; true'
    done = subprocess.run(["sh", "-c", program, "sh", "two words"], capture_output=True, text=True, check=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def test_proc_tells_arguments_apart() -> None:
    shell, us = shown_below_a_shell("/proc")
    assert shell[:3] == [str(os.getpid()), "True", "sh"]
    assert shell[-1] == "two words"
    assert us[0] == str(os.getppid())


def test_without_proc_ps_tells_the_words(tmp_path: Path) -> None:
    shell, us = shown_below_a_shell(str(tmp_path))
    assert shell[:3] == [str(os.getpid()), "False", "sh"]
    assert shell[-2:] == ["two", "words"]
    assert us[0] == str(os.getppid())


def test_where_neither_tells_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(processes.above(2)) == []
