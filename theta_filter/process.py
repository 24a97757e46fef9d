"""The long-running filter process: git's protocol version 2 (gitattributes(5)), one process per git command."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_filter.allocator import keep_what_is_freed
from theta_filter.asker import wants_manifests
from theta_filter.clone import Clone
from theta_filter.download import Downloads
from theta_filter.messages import report
from theta_filter.messages import warn
from theta_git.configuration import is_on
from theta_git.pktline import PacketReader
from theta_git.pktline import PacketWriter
from theta_git.repository import Repository

CAPABILITIES = ("clean", "smudge", "delay")


@dataclass
class FilterProcess:
    """One conversation with git."""

    reader: PacketReader
    writer: PacketWriter
    clone: Clone
    delayed: dict[str, bytes] = field(default_factory=dict)
    """content by path, for what git will ask again"""
    announced: set[str] = field(default_factory=set)
    """delayed paths that git has been told of"""

    guarded: bool = False
    """whether the pre-push hook has been seen to"""

    def __post_init__(self) -> None:
        self.downloads = Downloads(self.clone)

    @cached_property
    def skip_smudge(self) -> bool:
        """Whether manifests go to the working tree as they are."""
        return skips_smudge(self.clone.repository)

    def run(self) -> None:
        """Answer requests until git closes the pipe."""
        self._shake_hands()
        while True:
            try:
                request = dict(line.split("=", 1) for line in self.reader.texts())
            except EOFError:
                return
            self._answer(request)

    def _shake_hands(self) -> None:
        if self.reader.texts() != ["git-filter-client", "version=2"]:
            raise Failure("this command is run by git itself, as its filter process")
        self.writer.texts("git-filter-server", "version=2")
        offered = self.reader.texts()
        self.writer.texts(*(f"capability={name}" for name in CAPABILITIES if f"capability={name}" in offered))

    def _answer(self, request: dict[str, str]) -> None:
        match request["command"]:
            case "clean":
                self._clean(request["pathname"])
            case "smudge":
                self._smudge(request)
            case "list_available_blobs":
                fresh = sorted(self.delayed.keys() - self.announced)
                self.downloads.fetch(self.delayed[path] for path in fresh)
                self.announced.update(fresh)
                self.writer.texts(*(f"pathname={path}" for path in fresh))
                self.writer.texts("status=success")
            case command:
                raise Failure(f"git asked for {command!r}, which this version does not know")

    def _clean(self, path: str) -> None:
        from theta_filter.clean import cleaned

        pieces = self.reader.content()
        try:
            result = cleaned(path, pieces, self.clone)
        except Exception as error:
            _drain(pieces)
            _report(path, error)
            self.writer.texts("status=error")
            return
        warn(path, result.warning)
        self._send(path, iter([result.content]))
        self._guard_pushes(adding=True)

    def _guard_pushes(self, *, adding: bool) -> None:
        """See that values will be pushed with their commits: a fresh clone has no hook files (git before 2.54).

        Where someone else's hooks are in the way, who adds a checkpoint is told.
        """
        from theta_git import hooks
        from theta_git import programs
        from theta_git import remotes

        if self.guarded:
            return
        self.guarded = True
        repository = self.clone.repository
        with contextlib.suppress(Failure, OSError):
            is_guarded = hooks.install_if_free(repository, programs.hook(sys.executable))
            if adding and not is_guarded and remotes.names(repository):
                print(f"theta: {hooks.NOT_HERE}", file=sys.stderr)

    def _smudge(self, request: dict[str, str]) -> None:
        path = request["pathname"]
        content = b"".join(self.reader.packets())
        self._guard_pushes(adding=False)
        room = None
        if path in self.announced:
            content = self.delayed.pop(path)
            from theta_filter.room import free_bytes

            room = free_bytes(Path(path).parent)  # git has taken away what was there, and writes the file next
            self.announced.discard(path)
        elif self.skip_smudge:
            self._send(path, iter([content]))
            return
        elif _may_wait(request):
            self.delayed[path] = content
            self.writer.texts("status=delayed")
            return
        if wants_manifests(request, path, self.clone.repository):
            self._send(path, iter([content]))
            return
        from theta_filter.smudge import smudged

        self.downloads.fetch([content])
        result = smudged(content, self.clone, room)
        warn(path, result.warning)
        self._send(path, iter(result.pieces))

    def _send(self, path: str, pieces: Iterator[bytes]) -> None:
        """Content, then a second status: an error there makes git throw the content away."""
        self.writer.texts("status=success")
        try:
            self.writer.content(pieces)
        except Exception as error:
            _report(path, error)
            self.writer.flush()
            self.writer.texts("status=error")
            return
        self.writer.flush()
        self.writer.texts()


def _may_wait(request: dict[str, str]) -> bool:
    """Whether the file may be asked for later: not in `git checkout -m -- PATH`, in which git 2.39 then crashes."""
    return request.get("can-delay") == "1" and bool(request.keys() & {"ref", "treeish"})


def _drain(pieces: Iterator[memoryview]) -> None:
    for _ in pieces:
        pass


def _report(path: str, error: Exception) -> None:
    report(path, error)
    if not isinstance(error, Failure):
        import traceback

        traceback.print_exception(error)


def skips_smudge(repository: Repository) -> bool:
    """Whether the user wants manifests in the working tree: ``GIT_THETA_SKIP_SMUDGE``, ``theta.skipSmudge``."""
    return is_on(repository, "GIT_THETA_SKIP_SMUDGE", "theta.skipSmudge")


def main() -> int:
    """Serve git on standard input and output."""
    if sys.stdin.isatty():
        print("theta: this command is run by git itself, as its filter process", file=sys.stderr)
        return 2
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would only spin beside our own
    keep_what_is_freed()
    gc.disable()  # next to nothing here lies in cycles; to look for them takes a third of adding 100,000 groups
    process = FilterProcess(PacketReader(0), PacketWriter(1), Clone(Repository()))
    try:
        process.run()
    except (BrokenPipeError, EOFError):
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
