"""Our pre-push hook, beside whatever hooks there are (githooks(5)).

Since git 2.54 hooks can be configuration, and any number of them run. Before, there is one file; a file that is
not ours is never overwritten, except git-lfs's own, which our hook then runs after itself.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from theta_git.configuration import Scope
from theta_git.configuration import remove_section
from theta_git.configuration import write
from theta_git.repository import NotARepository
from theta_git.repository import Repository

EVENT = "pre-push"
SECTION = "hook.theta"
MARKER = "# theta's pre-push hook; to remove it, type: git theta uninstall"
CONFIGURABLE_SINCE = (2, 54)

_LFS_BODY = re.compile(r'#!/bin/sh\n(?:command -v git-lfs [^\n]*\n)?git lfs pre-push "\$@"\n?')
_SCRIPT = """#!/bin/sh
{marker}
refs=$(cat)
printf '%s' "$refs" | ( {command} "$@" ) || exit $?
if [ -x "$0.lfs" ]; then printf '%s' "$refs" | "$0.lfs" "$@"; fi
"""


class State(StrEnum):
    """How the hook is installed, or why not."""

    CONFIGURED = "configured"
    FILE = "file"
    FOREIGN = "foreign"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the hook is."""

    state: State
    path: Path | None = None
    """the hook file: ours, or the foreign one in its place"""


def install(repository: Repository, scope: Scope, command: str) -> Hook:
    """Make ``command`` run before each push; a foreign hook stays as it is.

    The configuration of one scope where git reads hooks there, else the hook file of the repository, which
    there is none of outside of one (:attr:`State.NOWHERE`).
    """
    if version(repository) >= CONFIGURABLE_SINCE:
        write(repository, scope, f"{SECTION}.command", command)
        write(repository, scope, f"{SECTION}.event", EVENT)
        return Hook(State.CONFIGURED)
    path = _path(repository)
    if path is None:
        return Hook(State.NOWHERE)
    before = _text(path)
    if _LFS_BODY.fullmatch(before):
        shutil.copy2(path, _set_aside(path))
    elif before and MARKER not in before:
        return Hook(State.FOREIGN, path)
    _write_script(path, command)
    return Hook(State.FILE, path)


def install_if_free(repository: Repository, command: str) -> None:
    """Install the hook file in a repository that has none, as a fresh clone has none, where git needs one."""
    path = repository.common_dir / "hooks" / EVENT
    if path.exists() or repository.config("core.hooksPath") is not None:
        return
    if version(repository) < CONFIGURABLE_SINCE:
        _write_script(path, command)


def is_installed(repository: Repository) -> bool:
    """Whether our hook runs before each push."""
    if version(repository) >= CONFIGURABLE_SINCE and repository.config(f"{SECTION}.command"):
        return True
    path = _path(repository)
    return path is not None and MARKER in _text(path)


def uninstall(repository: Repository, scope: Scope) -> bool:
    """Take our hook away, and put git-lfs's back; whether there was one."""
    configured = repository.finished("config", f"--{scope}", "--get", f"{SECTION}.event").returncode == 0
    if configured:
        remove_section(repository, scope, SECTION)
    path = _path(repository) if scope == Scope.LOCAL else None
    if path is None or MARKER not in _text(path):
        return configured
    path.unlink()
    if _set_aside(path).exists():
        _set_aside(path).replace(path)
    return True


def snippet(command: str) -> str:
    """The two lines with which a foreign hook, in sh, runs ours as well."""
    return f'refs=$(cat)\nprintf \'%s\' "$refs" | ( {command} "$@" ) || exit $?   # and give "$refs" to the rest'


def version(repository: Repository) -> tuple[int, int]:
    """Git's own version."""
    found = re.search(r"(\d+)\.(\d+)", repository.line("version"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _path(repository: Repository) -> Path | None:
    """The hook file, as ``core.hooksPath`` says."""
    try:
        _ = repository.git_dir
    except NotARepository:
        return None
    return (repository.folder / repository.line("rev-parse", "--git-path", f"hooks/{EVENT}")).absolute()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _set_aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lfs")


def _write_script(path: Path, command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(_SCRIPT.format(marker=MARKER, command=command))
    partial.chmod(0o755)
    partial.replace(path)
