"""A git repository, asked through git itself."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from theta_checkpoint.failure import Failure


class NotARepository(Failure):
    """There is no git repository here."""


class GitFailed(Failure):
    """A git command that had to succeed did not."""

    def __init__(self, arguments: tuple[str, ...], message: str) -> None:
        super().__init__(f"git {' '.join(arguments)}: {message.strip()}")


@dataclass(frozen=True)
class Repository:
    """The repository around ``folder``; nothing is asked of git before it is needed."""

    folder: Path = Path(".")

    def output(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGUMENTS`` prints; raises :class:`GitFailed`."""
        done = self.finished(*arguments, stdin=stdin)
        if done.returncode:
            raise GitFailed(arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    def finished(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The finished ``git ARGUMENTS``, whatever its exit code."""
        return subprocess.run(["git", *arguments], cwd=self.folder, input=stdin, capture_output=True, check=False)

    def line(self, *arguments: str) -> str:
        """The one line that ``git ARGUMENTS`` prints."""
        return self.output(*arguments).decode(errors="surrogateescape").removesuffix("\n")

    @cached_property
    def git_dir(self) -> Path:
        """This worktree's own git folder."""
        return self._dirs[0]

    @cached_property
    def common_dir(self) -> Path:
        """The git folder that all worktrees share."""
        return self._dirs[1]

    @cached_property
    def top(self) -> Path:
        """The root of the working tree; fails in a bare repository."""
        return Path(self.line("rev-parse", "--show-toplevel"))

    @cached_property
    def theta_dir(self) -> Path:
        """The folder that is ours."""
        return self.common_dir / "theta"

    @cached_property
    def _dirs(self) -> tuple[Path, Path]:
        done = self.finished("rev-parse", "--absolute-git-dir", "--git-common-dir")
        if done.returncode:
            raise NotARepository(f"{self.folder.absolute()} is not inside a git repository; begin with: git init")
        git_dir, common_dir = done.stdout.decode(errors="surrogateescape").splitlines()
        return Path(git_dir), (self.folder / common_dir).absolute()

    def blob(self, name: str) -> bytes | None:
        """The content of a blob named by object id or ``REV:PATH`` or ``:PATH``; None if there is none."""
        done = self.finished("cat-file", "blob", name)
        return None if done.returncode else done.stdout

    def config(self, key: str) -> str | None:
        """The value of a configuration key; None if it is unset."""
        done = self.finished("config", "--get", key)
        return None if done.returncode else done.stdout.decode(errors="replace").removesuffix("\n")
