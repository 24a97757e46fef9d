"""A git repository, asked through git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from theta_checkpoint.failure import Failure


class NotARepository(Failure):
    """There is no git repository here."""


class NoSuchCommit(Failure):
    """A revision that names no commit."""


class OutsideOfRepository(Failure):
    """A path that no folder of the working tree holds."""


class GitFailed(Failure):
    """A git command that had to succeed did not."""

    def __init__(self, arguments: tuple[str, ...], message: str) -> None:
        super().__init__(f"git {' '.join(arguments)}: {message.strip()}")


@dataclass(frozen=True)
class Repository:
    """The repository around ``folder``; nothing is asked of git before it is needed."""

    folder: Path = Path(".")
    index: Path | None = None
    """the index to work on, absolute; None for the working tree's"""

    def output(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGUMENTS`` prints; raises :class:`GitFailed`."""
        done = self.finished(*arguments, stdin=stdin)
        if done.returncode:
            raise GitFailed(arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    def finished(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The finished ``git ARGUMENTS``, whatever its exit code."""
        environment = {**os.environ, "GIT_INDEX_FILE": str(self.index)} if self.index else None
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, input=stdin, capture_output=True, check=False)

    def line(self, *arguments: str) -> str:
        """The one line that ``git ARGUMENTS`` prints."""
        return self.output(*arguments).decode(errors="surrogateescape").removesuffix("\n")

    @cached_property
    def git_dir(self) -> Path:
        """This worktree's own git folder."""
        return Path(self._place("--absolute-git-dir"))

    @cached_property
    def common_dir(self) -> Path:
        """The git folder that all worktrees share."""
        return (self.folder / self._place("--git-common-dir")).absolute()

    @cached_property
    def is_bare(self) -> bool:
        """Whether it has no working tree."""
        return self.line("rev-parse", "--is-bare-repository") == "true"

    @cached_property
    def top(self) -> Path:
        """The root of the working tree; raises :class:`NotARepository` in a bare repository."""
        _ = self.common_dir
        return Path(self._place("--show-toplevel"))

    @cached_property
    def theta_dir(self) -> Path:
        """The folder that is ours."""
        return self.common_dir / "theta"

    def _place(self, question: str) -> str:
        """What rev-parse answers: asked one at a time, since a path may hold a newline."""
        done = self.finished("rev-parse", question)
        words = done.stderr.decode(errors="replace")
        if done.returncode and "safe.directory" in words:
            raise GitFailed(("rev-parse", question), words)
        if done.returncode and question == "--show-toplevel":
            raise NotARepository(f"{self.folder.absolute()} has no working tree; type this in a clone that has one")
        if done.returncode:
            raise NotARepository(f"{self.folder.absolute()} is not inside a git repository; begin with: git init")
        return done.stdout.decode(errors="surrogateescape").removesuffix("\n")

    def commit(self, revision: str) -> str:
        """The id of the commit that a revision names; raises :class:`NoSuchCommit`, :class:`NotARepository`."""
        done = self.finished("rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        if not done.returncode:
            return done.stdout.decode().strip()
        _ = self.common_dir
        if revision in ("HEAD", "@"):
            raise NoSuchCommit("HEAD has no commit yet; to make the first one, type: git commit")
        raise NoSuchCommit(f"{revision!r} names no commit; to list those there are, type: git log --all --oneline")

    def check_inside(self, paths: Iterable[str]) -> None:
        """Raise :class:`OutsideOfRepository` for a path, from this folder, that is not in the working tree."""
        top = os.path.realpath(self.top)
        for path in paths:
            folder, name = os.path.split(os.path.abspath(self.folder / path))
            if os.path.commonpath([top, os.path.join(os.path.realpath(folder), name)]) != top:
                raise OutsideOfRepository(
                    f"{path} is outside of the repository in {top}; to compare files anywhere, type: theta-diff OLD NEW"
                )

    def blob(self, name: str) -> bytes | None:
        """The content of a blob named by object id or ``REV:PATH`` or ``:PATH``; None if there is none."""
        done = self.finished("cat-file", "blob", name)
        return None if done.returncode else done.stdout

    def config(self, key: str) -> str | None:
        """The value of a configuration key; None if it is unset."""
        done = self.finished("config", "--get", key)
        return None if done.returncode else done.stdout.decode(errors="replace").removesuffix("\n")
