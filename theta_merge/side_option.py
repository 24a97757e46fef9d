"""-X ours and -X theirs of the git command that runs: git tells them to no driver, so its command line is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from theta_git.repository import Repository
from theta_merge.wishes import OPTIONS
from theta_merge.wishes import STRATEGY

_SIDES = ("ours", "theirs")


def environment_with_side(environment: Mapping[str, str], repository: Repository) -> Mapping[str, str]:
    """The environment, in which ``-X ours`` or ``-X theirs`` has become a strategy."""
    side = side_option(_git_command_line()) or side_option(_rebase_options(repository))
    return {**environment, STRATEGY: f"take-{side}", OPTIONS: ""} if side else environment


def side_option(arguments: Sequence[str]) -> str | None:
    """The last of ``-X ours``, ``-Xtheirs``, ``--strategy-option=ours`` in a git command line."""
    found = None
    rest = iter(arguments)
    for argument in rest:
        if argument in ("-X", "--strategy-option"):
            value = next(rest, "")
        elif argument.startswith("-X"):
            value = argument[2:]
        else:
            value = argument.partition("--strategy-option=")[2]
        if value in _SIDES:
            found = value
    return found


def _git_command_line() -> list[str]:
    """The arguments of the git process above us; git starts drivers through a shell. Empty where unknown."""
    for pid in _ancestors(os.getpid(), 2):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            return []
        if arguments and os.path.basename(arguments[0]) == "git":
            return arguments[1:]
    return []


def _ancestors(pid: int, count: int) -> Iterator[int]:
    for _ in range(count):
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            return
        yield pid


def _rebase_options(repository: Repository) -> list[str]:
    """The options that a rebase keeps for its later steps."""
    try:
        return shlex.split((repository.git_dir / "rebase-merge" / "strategy_opts").read_text())
    except (OSError, ValueError):
        return []
