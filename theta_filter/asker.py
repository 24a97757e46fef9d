"""Who asks for a smudge: our own diff driver reads manifests, so `git diff` need not restore checkpoints.

`git diff`, `git log -p --ext-diff` and `git show --ext-diff` smudge both sides before they start the diff
driver. Their requests carry a blob, but no ref, no treeish and no can-delay; so do `cat-file --filters`,
`checkout-index`, `mergetool` and `difftool`. What tells them apart is the git command that started us.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache

from theta_git import processes
from theta_git.processes import Process
from theta_git.repository import Repository

DIFF_COMMANDS = frozenset({"diff", "log", "show", "diff-tree", "diff-index", "diff-files", "whatchanged", "reflog"})
_OPTIONS_WITH_VALUE = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--exec-path"})


def wants_manifests(request: Mapping[str, str], path: str, repository: Repository) -> bool:
    """Whether a smudge request is for the eyes of our diff driver alone."""
    if "blob" not in request or request.keys() & {"ref", "treeish", "can-delay"}:
        return False
    if "GIT_EXTERNAL_DIFF" in os.environ:
        return False
    return _parent_runs_our_driver(repository) and _drives(path, repository)


def subcommand(arguments: Sequence[str]) -> str | None:
    """The git subcommand in a command line: ``git -C x --no-pager diff HEAD`` -> ``diff``."""
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in _OPTIONS_WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            return argument
    return None


@cache
def _parent_runs_our_driver(repository: Repository) -> bool:
    """Whether the git process above us is a diff command that will start our driver."""
    mode = repository.config("theta.lazydiff") or "auto"
    if mode != "auto":
        return mode == "always"
    command = _parent_command(repository)
    return command in DIFF_COMMANDS and "theta_diff" in (repository.config("diff.theta.command") or "")


def only_looks(repository: Repository) -> bool:
    """Whether the git command above us keeps nothing of what it asks for."""
    return _parent_command(repository) in DIFF_COMMANDS | {"status"}


def _parent_command(repository: Repository) -> str | None:
    """The subcommand of the git process above us, aliases resolved; None if it is not known."""
    git = next(processes.above(1), None)
    if git is None or not git.is_git or _is_unclear(git):
        return None
    command = subcommand(git.words)
    if command and (alias := repository.config(f"alias.{command}")):
        command = subcommand(["git", *shlex.split(alias)]) if not alias.startswith("!") else None
    return command


@cache
def _drives(path: str, repository: Repository) -> bool:
    """Whether the diff driver of a path is ours."""
    return repository.output("check-attr", "-z", "diff", "--", path).split(b"\0")[2:3] == [b"theta"]


def _is_unclear(git: Process) -> bool:
    """Whether a subcommand could be part of an option's value: words that are not told apart, after an option."""
    return not git.exact and git.words[1:2] != () and git.words[1].startswith("-")
