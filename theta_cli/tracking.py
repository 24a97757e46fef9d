"""Which files are checkpoints: editing the .gitattributes of the current folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_git import attributes
from theta_git.attributes import Line
from theta_git.repository import Repository

_OF_GIT = (".gitattributes", ".gitignore", ".gitmodules", ".mailmap")


class Claimed(Failure):
    """Another filter has the files already."""

    def __init__(self, path: str, filter_name: str, line: Line | None, pattern: str) -> None:
        where = f" ({line})" if line else ""
        place = line.shown_file if line else "git's attributes"
        ways = [
            f"first: git lfs untrack '{line.pattern}'"
            if line and line.filter == "lfs"
            else f"first take that out of {place}"
        ]
        if filter_name == "lfs":
            ways.append(f"to convert what is committed: git theta migrate {shlex.quote(pattern)}")
        super().__init__(f"{path} belongs to filter {filter_name!r} already{where}; {'; '.join(ways)}")


class NotTrackable(Failure):
    """A pattern that cannot or must not be tracked from here."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What tracking or untracking a pattern found and did."""

    pattern: str
    changed: bool
    """whether .gitattributes had to change"""
    files: tuple[str, ...]
    """existing files that match, relative to the current folder"""


def track(repository: Repository, arguments: Sequence[str]) -> list[Tracked]:
    """Make these patterns, or existing paths, checkpoints; raises :class:`Claimed`, :class:`NotTrackable`.

    Nothing is written unless all of them can be tracked.
    """
    patterns = [pattern_of(argument) for argument in arguments]
    for pattern in patterns:
        _check_unclaimed(repository, pattern)
    held = attributes.held(repository, map(_widest, patterns))
    return _edited(
        repository,
        patterns,
        lambda text, pattern: text if _widest(pattern) in held else attributes.with_pattern(text, pattern),
    )


def untrack(repository: Repository, arguments: Sequence[str]) -> list[Tracked]:
    """Take the lines of these patterns out of the current folder's .gitattributes."""
    return _edited(repository, [pattern_of(argument) for argument in arguments], attributes.without_pattern)


def tracked_lines(repository: Repository) -> list[Line]:
    """Every line of every attributes file that makes a pattern a checkpoint."""
    return attributes.lines_with(repository, "theta")


def tracking_line(repository: Repository, argument: str) -> Line | None:
    """A line by which a path, or what a pattern matches, is a checkpoint; None if there is none.

    A pattern's own text is asked about as if it were a path: what is at least as general matches it too.
    """
    path = argument if os.path.lexists(argument) else argument.removeprefix("/")
    if attributes.filters(repository, [path]).get(path) == "theta":
        return attributes.setting_line(repository, Path(path).absolute(), "theta")
    return next((line for line in tracked_lines(repository) if line.pattern == argument), None)


def pattern_of(argument: str) -> str:
    """The pattern an argument means: an existing path stands for itself alone."""
    if not argument.strip("/"):
        raise NotTrackable(f"{argument!r} is not a pattern")
    pattern = attributes.literal(_relative(argument)) if os.path.lexists(argument) else argument.removeprefix("./")
    if pattern.startswith("../") or (pattern.startswith("/") and os.path.lexists(argument)):
        raise NotTrackable(f"{argument} is outside of this folder; run git theta track where it is")
    if os.path.isdir(argument) or pattern.endswith("/"):
        within = shlex.quote(f"{pattern.rstrip('/')}/*.pt")
        raise NotTrackable(f"{argument} is a folder; to track files in it, type: git theta track {within}")
    if pattern.startswith("!"):
        raise NotTrackable(f"git allows no negative pattern here: {argument}")
    if name := next((name for name in _OF_GIT if fnmatchcase(name, os.path.basename(pattern))), None):
        raise NotTrackable(f"{argument} would match {name}, which git itself reads; use a narrower pattern")
    return pattern


def _relative(path: str) -> str:
    """The path as seen from the current folder, symbolic links of the last part kept."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath("."))


def _matching(repository: Repository, pattern: str) -> list[str]:
    """Existing files that a pattern in this folder matches."""
    pathspec = f":(glob){pattern.lstrip('/')}" if "/" in pattern else f":(glob)**/{pattern}"
    listed = repository.output("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pathspec)
    names = dict.fromkeys(os.fsdecode(name) for name in listed.split(b"\0")[:-1])
    return [name for name in names if os.path.isfile(name)]


def _check_unclaimed(repository: Repository, pattern: str) -> None:
    """The pattern's own text is asked about as if it were a path: what is at least as general matches it too."""
    asked = [pattern.removeprefix("/"), *_matching(repository, pattern)]
    for path, name in attributes.filters(repository, asked).items():
        if name != "theta":
            raise Claimed(path, name, attributes.setting_line(repository, Path(path).absolute(), name), pattern)


def _widest(pattern: str) -> str:
    """A path that only a pattern at least as general matches: one without a slash means files in all folders."""
    return pattern.removeprefix("/") if "/" in pattern else f"*/{pattern}"


def _edited(repository: Repository, patterns: Sequence[str], edit: Callable[[str, str], str]) -> list[Tracked]:
    """What ``edit``, applied for each pattern to the text of .gitattributes, did to it."""
    before = text = _read()
    done = []
    for pattern in patterns:
        after = edit(text, pattern)
        done.append(Tracked(pattern, after != text, tuple(_matching(repository, pattern))))
        text = after
    if text != before:
        _write(text)
        _touch(repository, [file for tracked in done if tracked.changed for file in tracked.files])
    return done


def _touch(repository: Repository, files: Sequence[str]) -> None:
    """Make git look again at files it holds unfiltered: it goes by their time stamps."""
    if files:
        pathspecs = [f":(literal){file}" for file in files]
        held = repository.output("ls-files", "-z", "--cached", "--", *pathspecs)
        for name in held.split(b"\0")[:-1]:
            os.utime(name)


def _read() -> str:
    try:
        with open(".gitattributes", encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(text: str) -> None:
    with open(".gitattributes", "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
