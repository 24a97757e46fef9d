"""Which files a commit and the index hold, and the blobs behind them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from theta_checkpoint.failure import Failure
from theta_git.repository import GitFailed
from theta_git.repository import Repository

EMPTY_BLOBS = (
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
)
"""id of the empty blob in SHA-1 and in SHA-256"""
_PIECE = 1 << 20
_REGULAR = ("100644", "100755")


class UnreadableBlob(Failure):
    """Git has a file for a blob, and cannot read it."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"git cannot read blob {oid[:10]}; to find all that is damaged, type: git fsck --full")
        self.oid = oid


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file of a commit or of the index."""

    path: str
    """from the root of the working tree"""
    oid: str
    """of its blob"""
    stage: int = 0
    """1 base, 2 ours, 3 theirs where a merge left the file unmerged; else 0"""


def index_entries(repository: Repository) -> list[Entry]:
    """Every regular file of the index."""
    listed = Repository(repository.top).output("ls-files", "-z", "--stage")
    parted = (_parted(record) for record in listed.split(b"\0")[:-1])
    return [Entry(path, oid, int(stage)) for (mode, oid, stage), path in parted if mode in _REGULAR]


def commit_entries(repository: Repository, revision: str) -> list[Entry]:
    """Every regular file of a commit; none if there is no such commit."""
    done = repository.finished("ls-tree", "-r", "-z", "--full-tree", revision)
    parted = (_parted(record) for record in done.stdout.split(b"\0")[:-1])
    return [Entry(path, oid) for (mode, _, oid), path in parted if mode in _REGULAR]


def name_before(repository: Repository, before: str, after: str, path: str) -> str:
    """What a file of the commit ``after`` is called in ``before``: another name if git sees that it was renamed."""
    if repository.finished("cat-file", "-e", f"{before}:{path}").returncode == 0:
        return path
    listed = repository.output(
        "diff-tree", "-r", "-z", "--no-commit-id", "--find-renames", "--diff-filter=R", "--name-status", before, after
    )
    fields = [os.fsdecode(field) for field in listed.split(b"\0")[:-1]]
    renamed = dict(zip(fields[2::3], fields[1::3], strict=True))
    return renamed.get(path, path)


EVERYTHING = ("--all", "--reflog", "--indexed-objects")


def empty_tree(repository: Repository) -> str:
    """The id of the tree without files, which git knows though no one stored it."""
    return repository.line("hash-object", "-t", "tree", os.devnull)


def reachable_blobs(repository: Repository, revisions: Sequence[str] = EVERYTHING) -> dict[str, str]:
    """Blob id to a path, newest commits first, for every blob that a ref, a reflog or an index still holds.

    Or that the revisions hold, given as git-rev-list(1) has them.
    """
    listed = repository.output(
        "rev-list", "--objects", "--filter=object:type=blob", "--filter-provided-objects", "--missing=allow-any",
        *revisions,
    )  # fmt: skip
    pairs = (os.fsdecode(line).partition(" ") for line in listed.splitlines())
    return {oid: path or oid for oid, _, path in pairs}


def blobs_beginning(repository: Repository, oids: Iterable[str], start: bytes) -> Iterator[tuple[str, bytes]]:
    """Id and content of those blobs that begin with ``start``; the others are not held in memory.

    Blobs that are not here are left out. Raises :class:`UnreadableBlob` at one that is damaged: whoever goes on without
    it would take what it needs for needed by nothing.
    """
    with tempfile.TemporaryFile() as questions:
        questions.write("".join(f"{oid}\n" for oid in oids).encode())
        questions.seek(0)
        command = ["git", "cat-file", "--batch", "--buffer"]
        with subprocess.Popen(command, cwd=repository.folder, stdin=questions, stdout=subprocess.PIPE) as process:
            assert process.stdout
            yield from _answers(process.stdout, start)
        if process.returncode:
            raise GitFailed(("cat-file", "--batch"), "it failed; to find what is damaged, type: git fsck")


def unreadable_blobs(repository: Repository, oids: Iterable[str]) -> list[str]:
    """Those blobs of which git has a file and cannot even tell what it is: it calls them missing."""
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    listed = repository.output("cat-file", "--buffer", "--batch-check=%(objecttype)", stdin=stdin)
    return [line.split()[0].decode() for line in listed.splitlines() if line.endswith(b" missing")]


def _answers(stream: IO[bytes], start: bytes) -> Iterator[tuple[str, bytes]]:
    while header := stream.readline().split():
        if len(header) != 3:
            continue  # a missing object
        oid, size = header[0].decode(), int(header[2])
        content = stream.read(min(size, len(start)))
        if content == start:
            content += stream.read(size - len(content))
            rest = size - len(content)
        else:
            rest = _not_skipped(stream, size - len(content))
        if rest or stream.read(1) != b"\n":
            raise UnreadableBlob(oid)
        if content.startswith(start):
            yield oid, content


def _not_skipped(stream: IO[bytes], length: int) -> int:
    """How many of so many bytes the stream does not have."""
    while length and (piece := stream.read(min(length, _PIECE))):
        length -= len(piece)
    return length


def _parted(record: bytes) -> tuple[Sequence[str], str]:
    facts, _, path = record.partition(b"\t")
    return facts.decode().split(), os.fsdecode(path)
