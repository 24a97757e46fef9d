"""Installing theta in one of git's configuration files, and taking it out again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_cli import drivers
from theta_git import configuration
from theta_git import hooks
from theta_git import programs
from theta_git.configuration import Scope
from theta_git.configuration import Setting
from theta_git.hooks import State
from theta_git.repository import NotARepository
from theta_git.repository import Repository

_BESIDE = {
    State.PRE_COMMIT: "type: pre-commit uninstall -t pre-push && git theta install && pre-commit install -t pre-push",
    State.FOREIGN: "put this below its first line, or into the script that it runs:\n"
    + hooks.snippet("git-theta pre-push"),
}
"""How our hook can run beside another one."""

OCTOPUS = "theta"
"""the strategy for merges of several branches"""


class ForeignValue(Failure):
    """A key that theta needs holds a value that theta did not write."""

    def __init__(self, setting: Setting, wanted: str) -> None:
        super().__init__(
            f"{setting.key} in {setting.origin} is {setting.value!r}, not {wanted!r}; "
            "to replace it, type: git theta install --force"
        )


@dataclass(frozen=True, slots=True)
class Removal:
    """What uninstall took out and what it left."""

    removed: tuple[str, ...]
    """sections"""
    left: tuple[Setting, ...]
    """what any file still says in our sections"""


def default_scope(repository: Repository) -> Scope:
    """Local inside a repository, global outside."""
    try:
        _ = repository.git_dir
    except NotARepository:
        return Scope.GLOBAL
    return Scope.LOCAL


def pending(repository: Repository, scope: Scope, *, force: bool = False) -> dict[str, str]:
    """The keys that one file does not hold as they should be; raises :class:`ForeignValue` unless forced."""
    held = drivers.effective(_held(repository, scope))
    wanted = drivers.wanted(drivers.interpreter())
    for key, value in wanted.items():
        if key in held and held[key].value != value and not (force or drivers.is_ours(key, held[key].value)):
            raise ForeignValue(held[key], value)
    changes = {key: value for key, value in wanted.items() if key not in held or held[key].value != value}
    return {**changes, **_octopus(repository)}


def _octopus(repository: Repository) -> dict[str, str]:
    """What makes `git merge A B` give all versions of a checkpoint to one strategy; git's own way cannot merge any.

    Nothing where another way was chosen, or where git would not find the program.
    """
    usable = shutil.which(f"git-merge-{OCTOPUS}") and repository.config("pull.octopus") is None
    return {"pull.octopus": OCTOPUS} if usable else {}


def install(repository: Repository, scope: Scope, changes: dict[str, str]) -> str:
    """Write settings to one file; returns its path."""
    for key, value in changes.items():
        configuration.write(repository, scope, key, value)
    return _held(repository, scope)[0].origin


def installed_if_needed(repository: Repository) -> str | None:
    """The repository's file into which theta, and git-lfs where missing, was installed now; None if it was before."""
    if not hooks.is_installed(repository):
        install_hook(repository, Scope.LOCAL)
    if repository.config("filter.theta.process"):
        return None
    if lfs_is_missing(repository):
        install_lfs(repository, Scope.LOCAL)
    return install(repository, Scope.LOCAL, pending(repository, Scope.LOCAL))


def ensure_installed(repository: Repository) -> None:
    """Install theta where git knows nothing of it, as in a fresh clone, and say so.

    Without it git takes the values in a file for what is to be committed, and merges manifests as text.
    """
    _ = repository.top
    if not repository.config("filter.theta.process") and (file := installed_if_needed(repository)):
        print(f"installed theta in {file} (local)")


def install_hook(repository: Repository, scope: Scope) -> None:
    """Let git run the pre-push hook; where a foreign hook is in its place, tell how both can run."""
    hook = hooks.install(repository, scope, programs.hook(drivers.interpreter()))
    if hook.state in _BESIDE:
        left = f"theta: {hook.path} is not theta's and was left alone; so that objects go with each push, "
        print(left + _BESIDE[hook.state], file=sys.stderr)


def lfs_is_missing(repository: Repository) -> bool:
    """Whether git-lfs is on this machine and git's configuration knows nothing of it."""
    return bool(shutil.which("git-lfs")) and repository.config("filter.lfs.process") is None


def install_lfs(repository: Repository, scope: Scope) -> None:
    """Let git-lfs write its own filter section, and no hooks."""
    where = () if scope == Scope.GLOBAL else (f"--{scope}",)
    command = ["git", "lfs", "install", *where, "--skip-repo"]
    done = subprocess.run(command, cwd=repository.folder, capture_output=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {(done.stderr or done.stdout).decode(errors='replace').strip()}")


def uninstall(repository: Repository, scope: Scope) -> Removal:
    """Remove from one file the sections that hold only what we wrote."""
    removed = []
    for section in drivers.SECTIONS:
        held = [setting for setting in _held(repository, scope) if setting.key.startswith(f"{section}.")]
        if held and all(drivers.is_ours(setting.key, setting.value) for setting in held):
            configuration.remove_section(repository, scope, section)
            removed.append(section)
    if repository.finished("config", f"--{scope}", "--unset", "pull.octopus", f"^{OCTOPUS}$").returncode == 0:
        removed.append("pull.octopus")
    if hooks.uninstall(repository, scope):
        removed.append("the pre-push hook")
    return Removal(tuple(removed), tuple(configuration.settings(repository, drivers.SECTIONS)))


def _held(repository: Repository, scope: Scope) -> list[Setting]:
    return [s for s in configuration.settings(repository, drivers.SECTIONS) if s.scope == scope]
