"""Commits made without the working tree."""

from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_git.attributes import attribute
from theta_git.own_index import own_index
from theta_git.repository import GitFailed
from theta_git.repository import Repository


class NoBranch(Failure):
    """There is no branch to commit to."""


class BranchMoved(Failure):
    """Somebody else committed the same file to the branch meanwhile."""


def branch_ref(repository: Repository, branch: str | None) -> str:
    """The full name of a branch, the current one by default.

    Raises :class:`NoBranch` for a detached HEAD, and for what can be no name of a branch.
    """
    if branch:
        name = branch.removeprefix("refs/heads/")
        if repository.finished("check-ref-format", "--branch", name).stdout.decode().strip() != name:
            raise NoBranch(f"{branch!r} is not a valid branch name")
        return f"refs/heads/{name}"
    done = repository.finished("symbolic-ref", "--quiet", "HEAD")
    if done.returncode:
        raise NoBranch("HEAD is detached; name a branch to commit to")
    return done.stdout.decode(errors="surrogateescape").strip()


def committed(repository: Repository, ref: str, files: Mapping[str, bytes], message: str, since: str) -> str:
    """Commit files, given as what git stores, on top of a branch; the id of the commit.

    A branch that does not exist begins at HEAD. Nobody else's commit is lost: a branch that moves meanwhile is
    followed, unless these files are others than in the commit ``since`` then, which raises :class:`BranchMoved`. On
    the current branch the index follows for these files, unless something else is staged for them. The working tree
    is left alone.
    """
    blobs = {path: written_blob(repository, data) for path, data in files.items()}
    return committed_blobs(repository, ref, blobs, message, since)


def committed_blobs(repository: Repository, ref: str, blobs: Mapping[str, str], message: str, since: str) -> str:
    """As :func:`committed`, with files given as ids of blobs."""
    while True:
        tip, parent = _commit(repository, ref), start_of(repository, ref)
        if parent != since:
            _check_same(repository, blobs, since, parent, ref)
        commit = _made(repository, parent, blobs, message)
        current = repository.finished("symbolic-ref", "--quiet", "HEAD").stdout.decode(errors="surrogateescape").strip()
        follow = _unstaged(repository, parent, blobs) if current == ref else {}
        move = (
            "update-ref",
            "-m",
            f"theta.save: {message.partition(chr(10))[0]}",
            ref,
            commit,
            tip or "0" * len(commit),
        )
        done = repository.finished(*move)
        if not done.returncode:
            break
        if _commit(repository, ref) == tip:
            raise GitFailed(move, done.stderr.decode(errors="replace"))
    if follow:
        executables = _executables(repository, parent)
        repository.output("update-index", "-z", "--index-info", stdin=_entries(follow, executables))
    return commit


def _check_same(repository: Repository, paths: Iterable[str], before: str, after: str, ref: str) -> None:
    for path in paths:
        old, new = _ids(repository, [f"{before}:{path}", f"{after}:{path}"])
        if old != new:
            raise BranchMoved(f"{path}: {ref.removeprefix('refs/heads/')} got another version meanwhile; save it again")


def _made(repository: Repository, parent: str, blobs: Mapping[str, str], message: str) -> str:
    """A commit that no branch has yet."""
    entries = _entries(blobs, _executables(repository, parent))
    with own_index(repository, parent) as apart:
        apart.output("update-index", "-z", "--index-info", stdin=entries)
        tree = apart.line("write-tree")
    parents = ["-p", parent] if parent else []
    return repository.output("commit-tree", tree, *parents, stdin=message.encode()).decode().strip()


def start_of(repository: Repository, ref: str) -> str:
    """The commit on which the next one of a branch builds: HEAD's for a new branch, and empty if there is none."""
    return _commit(repository, ref) or _commit(repository, "HEAD")


def filter_in(repository: Repository, commit: str, path: str) -> str | None:
    """The filter that the attributes in a commit give to a path; None if they give it none."""
    with own_index(repository, commit) as apart:
        return attribute(apart, "filter", [path], added=True).get(path)


def _commit(repository: Repository, revision: str) -> str:
    return repository.finished("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").stdout.decode().strip()


def _unstaged(repository: Repository, parent: str, blobs: Mapping[str, str]) -> dict[str, str]:
    """Those paths whose index entry is as in the parent commit."""
    if repository.is_bare:
        return {}
    before = _ids(repository, [f"{parent}:{path}" for path in blobs])
    staged = _ids(repository, [f":{path}" for path in blobs])
    return {path: blob for (path, blob), old, now in zip(blobs.items(), before, staged, strict=True) if old == now}


def _ids(repository: Repository, names: list[str]) -> list[str | None]:
    done = [repository.finished("rev-parse", "--verify", "--quiet", name) for name in names]
    return [one.stdout.decode().strip() or None for one in done]


def written_blob(repository: Repository, content: bytes) -> str:
    """The id of a blob that is now in git's object database."""
    return repository.output("hash-object", "-w", "--stdin", "--no-filters", stdin=content).decode().strip()


def _executables(repository: Repository, commit: str) -> set[str]:
    """The paths of a commit that have the executable bit; of no commit, none."""
    listed = repository.output("ls-tree", "-r", "-z", "--full-tree", commit) if commit else b""
    return {os.fsdecode(line.partition(b"\t")[2]) for line in listed.split(b"\0") if line.startswith(b"100755 ")}


def _entries(blobs: Mapping[str, str], executables: Collection[str]) -> bytes:
    return b"".join(
        b"%b %b\t%b\0" % (b"100755" if path in executables else b"100644", blob.encode(), os.fsencode(path))
        for path, blob in blobs.items()
    )
