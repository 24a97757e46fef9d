"""Every manifest that git still holds, so that nothing is thrown away that any git command could bring back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_git.repository import Repository
from theta_git.trees import UnreadableBlob
from theta_git.trees import blobs_beginning
from theta_git.trees import commit_entries

_OID = re.compile(r"\b[0-9a-f]{40,64}\b")


class NotWhole(Failure):
    """What is held cannot be told."""


def check_whole(repository: Repository) -> None:
    """Raise :class:`NotWhole` unless git has all that its history consists of: what it lacks may need anything."""
    _ = repository.common_dir
    every = ("--objects", "--quiet", "--exclude-promisor-objects", "--all", "--reflog", "--indexed-objects")
    done = repository.finished("rev-list", *every)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise NotWhole(
            f"git cannot read all of its history ({words}), so nothing can be told to be needed by no one; "
            "nothing was changed; to find what is missing, type: git fsck"
        )


def held_blobs(repository: Repository, start: bytes) -> Iterator[tuple[str, bytes]]:
    """Id and content of every blob in git's object database that begins with ``start``.

    That is more than refs, reflogs, indexes, stashes and merges in progress of all worktrees can reach: a commit
    that nothing points to counts too, until git's own gc prunes it. Raises :class:`UnreadableBlob` where git cannot
    read one: it may need anything.
    """
    listed = repository.output(
        "cat-file", "--batch-all-objects", "--unordered", "--buffer", "--batch-check=%(objecttype) %(objectname)"
    )
    for line in listed.splitlines():
        if line.endswith(b" missing"):  # it is here, and no one can tell what it is
            raise UnreadableBlob(line.split()[0].decode())
    blobs = (line[5:].decode() for line in listed.splitlines() if line.startswith(b"blob "))
    yield from blobs_beginning(repository, blobs, start)


def checked_out_blobs(repository: Repository) -> dict[str, str]:
    """Blob id to a path, for all that some worktree uses now: its commit, its index, what it merges, the stashes."""
    folders = [repository.common_dir, *sorted(repository.common_dir.glob("worktrees/*"))]
    stashes = repository.finished("rev-parse", "--verify", "--quiet", "refs/stash").stdout.decode().split()
    if stashes:
        stashes = repository.line("log", "--walk-reflogs", "--format=%H %P", "refs/stash").split()
    tips = dict.fromkeys([*stashes, *(oid for folder in folders for oid in _tips(repository, folder))])
    found: dict[str, str] = {}
    for tip in tips:
        found.update((entry.oid, entry.path) for entry in commit_entries(repository, tip))
    listed = repository.output(
        "rev-list", "--objects", "--filter=object:type=blob", "--filter-provided-objects", "--missing=allow-any",
        "--indexed-objects",
    )  # fmt: skip
    pairs = (line.partition(" ") for line in os.fsdecode(listed).splitlines())
    return found | {oid: path for oid, _, path in pairs}


def _tips(repository: Repository, folder: Path) -> Iterator[str]:
    """The commits that one worktree's HEAD and operations in progress name."""
    states = [folder / "HEAD", *sorted(folder.glob("*_HEAD")), *sorted(folder.glob("rebase-*/*"))]
    for state in states:
        text = state.read_text("utf-8", "replace") if state.is_file() else ""
        words = [text[5:].strip()] if text.startswith("ref: ") else _OID.findall(text)
        for word in words:
            done = repository.finished("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}")
            yield from done.stdout.decode().split()
