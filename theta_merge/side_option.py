"""-X ours and -X theirs of the git command that runs: git tells them to no driver, so its command line is read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from theta_git import processes
from theta_git.processes import Process
from theta_git.repository import Repository
from theta_merge.wishes import OPTIONS
from theta_merge.wishes import STRATEGY

_SIDES = ("ours", "theirs")
_MESSAGE = re.compile(r"-(?!X)\w*m|--message")


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
    git = next((process for process in processes.above(2) if process.is_git), None)
    return list(_arguments(git)) if git else []


def _arguments(git: Process) -> Iterator[str]:
    """What surely is an argument: where words are not told apart, none of a message, which may look like options."""
    for word, following in zip(git.words[1:], (*git.words[2:], ""), strict=True):
        if not git.exact and _MESSAGE.match(word) and not following.isdigit():
            return
        yield word


def _rebase_options(repository: Repository) -> list[str]:
    """The options that a rebase keeps for its later steps."""
    try:
        return shlex.split((repository.git_dir / "rebase-merge" / "strategy_opts").read_text())
    except (OSError, ValueError):
        return []
