"""The checkpoints that differ between commits, the index and the working tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.failure import Failure
from theta_diff.file_change import FileChange
from theta_diff.sides import ABSENT
from theta_diff.sides import Version
from theta_git.attributes import attribute
from theta_git.repository import Repository


class NeitherRevisionNorPath(Failure):
    """An argument that means nothing here."""


def changed_files(repository: Repository, arguments: Sequence[str], staged: bool = False) -> list[FileChange]:
    """The checkpoints that `git diff ARGUMENTS` would show: revisions, then paths from the current folder.

    Raises NotARepository, NeitherRevisionNorPath, OutsideOfRepository, NoSuchCommit, and GitFailed where git does
    not understand them.
    """
    top = repository.top
    revisions, paths = _parted(repository, arguments)
    repository.check_inside(paths)
    options = ["--cached"] if staged else []
    listed = repository.output(
        "diff", "--raw", "-z", "--no-abbrev", "--find-renames", "--no-relative", *options, *revisions, "--", *paths
    )
    found = list(_changes(os.fsdecode(listed), str(top)))
    if not found:
        _check_paths(repository, paths)
    drivers = attribute(Repository(top), "diff", {change.new_path for change in found})
    return [change for change in found if drivers.get(change.new_path) == "theta"]


def is_revision(repository: Repository, text: str) -> bool:
    """Whether git knows the text as a commit, tree or blob, or as a range of commits."""
    ends = [end for end in text.replace("...", "..").split("..") if end]
    return bool(ends) and all(
        not repository.finished("rev-parse", "--quiet", "--verify", "--end-of-options", end).returncode for end in ends
    )


def _parted(repository: Repository, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Leading revisions, at most two, and the paths after them."""
    count = 0
    while count < min(2, len(arguments)) and is_revision(repository, arguments[count]):
        count += 1
    return list(arguments[:count]), list(arguments[count:])


def _check_paths(repository: Repository, paths: Sequence[str]) -> None:
    """That nothing differs must not be the answer to a slip of the pen."""
    for path in paths:
        known = os.path.lexists(repository.folder / path) or any(sign in path for sign in "*?[:")
        if not known and not repository.output("log", "--max-count=1", "--format=%h", "--all", "--", path):
            if path == "HEAD":
                repository.commit(path)
            raise NeitherRevisionNorPath(
                f"{path!r} is no revision and no path of any commit; to list commits, type: git log --all --oneline"
            )


def _changes(raw: str, top: str) -> Iterator[FileChange]:
    """The records of `git diff --raw -z` (git-diff(1), RAW OUTPUT FORMAT); symlinks and submodules are left out."""
    fields = iter(raw.split("\0")[:-1])
    for facts in fields:
        old_mode, new_mode, old_oid, new_oid, status = facts.removeprefix(":").split()
        path = next(fields)
        new_path = next(fields) if status[0] in "RC" else path
        if status[0] != "U" and {old_mode, new_mode} <= {"100644", "100755", "000000"}:
            old, new = _version(old_mode, old_oid, f"{top}/{path}"), _version(new_mode, new_oid, f"{top}/{new_path}")
            yield FileChange(path, new_path, old, new, _remarks(status, path, new_path))


def _version(mode: str, oid: str, file: str) -> Version:
    if mode == "000000":
        return Version(ABSENT, ".", ".")
    return Version("" if oid.strip("0") else file, oid, mode)


def _remarks(status: str, path: str, new_path: str) -> tuple[str, ...]:
    if path == new_path:
        return ()
    word = {"R": "rename", "C": "copy"}[status[0]]
    return f"similarity index {int(status[1:])}%", f"{word} from {path}", f"{word} to {new_path}"
