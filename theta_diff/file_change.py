"""A file in two versions, as git names them, and the lines git writes above its diff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from theta_diff.report import Detail
from theta_diff.report import Report
from theta_diff.report import reported
from theta_diff.sides import Version
from theta_diff.sides import side_of
from theta_git.configuration import is_on
from theta_git.path_text import git_path
from theta_git.repository import Repository


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs between two states of the repository."""

    path: str
    """of the old version, from the root of the working tree"""
    new_path: str
    old: Version
    new: Version
    remarks: tuple[str, ...] = ()
    """git's own lines about a rename or copy"""

    @property
    def same_content(self) -> bool:
        """Whether only path or mode changed."""
        return self.old.has_blob and self.old.oid == self.new.oid


def report_of(change: FileChange, theta_dir: Path, detail: Detail = Detail.ESTIMATED) -> Report:
    """What happened to the file. Raises BadManifest, OSError."""
    old, new = side_of(change.old, theta_dir), side_of(change.new, theta_dir)
    return reported((change.path, change.new_path), old, new, detail)


def wanted_detail(repository: Repository) -> Detail:
    """What the user has git read for a diff: ``GIT_THETA_DIFF_EXACT``, ``theta.diff.exact``. Raises GitFailed."""
    return Detail.EXACT if is_on(repository, "GIT_THETA_DIFF_EXACT", "theta.diff.exact") else Detail.ESTIMATED


def header(change: FileChange) -> Iterator[str]:
    """The lines above the diff."""
    old, new = change.old, change.new
    yield f"diff --theta {git_path('a/' + change.path)} {git_path('b/' + change.new_path)}"
    if old.is_absent:
        yield f"new file mode {new.mode}"
    elif new.is_absent:
        yield f"deleted file mode {old.mode}"
    elif old.mode != new.mode:
        yield f"old mode {old.mode}"
        yield f"new mode {new.mode}"
    yield from (line for line in change.remarks if not line.startswith("index "))
    mode = f" {new.mode}" if old.mode == new.mode else ""
    yield f"index {_short(old)}..{_short(new)}{mode}"


def _short(version: Version) -> str:
    return version.oid[:10] if version.has_blob else "0" * 10
