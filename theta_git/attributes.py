"""Git attributes: the lines of .gitattributes files, and what they come to for a path (gitattributes(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path

from theta_git.repository import Repository

TRACKED = "filter=theta diff=theta merge=theta -text"
"""What makes a file a checkpoint."""

_HELD = {"filter": "theta", "diff": "theta", "merge": "theta", "text": "unset"}
_MACRO = "[attr]"
_BLANK = " \t\r\n"
"""what git takes for white space; Python takes more"""
_ESCAPES = {"\\": r"\\", '"': r"\"", "\t": r"\t", "\r": r"\r", "\n": r"\n"}
_UNESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
_PART = re.compile(r"(?:^|(?<=/))\*\*/|/\*\*$|\*+|\[[!^]?\]?[^\]]*\]|\\.|.", re.DOTALL)
"""of a pattern: what :data:`_MEANINGS` has, asterisks, a set of characters, an escaped character, a character"""
_MEANINGS = {"**/": "(?:.*/)?", "/**": "/.+", "?": "[^/]"}
"""as regular expressions"""
_GLOB = re.compile(r"([\\*?\[])")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an attributes file that gives attributes to a pattern."""

    file: Path
    number: int
    pattern: str
    attributes: tuple[str, ...]

    @property
    def filter(self) -> str | None:
        """The filter it sets."""
        return next((word.removeprefix("filter=") for word in self.attributes if word.startswith("filter=")), None)

    @property
    def shown_file(self) -> str:
        """The file as seen from the current folder."""
        return os.path.relpath(self.file)

    def __str__(self) -> str:
        return f"{self.shown_file}:{self.number}: {written(self.pattern)} {' '.join(self.attributes)}"


def lines(file: Path, *, macros: bool = False) -> list[Line]:
    """The lines of one file that have a pattern, or name a macro if asked for; none where there is no file."""
    try:
        texts = _split(file.read_bytes().decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    parted = ((number, _parted(text)) for number, text in enumerate(texts, start=1))
    found = (Line(file, number, pattern, attributes) for number, (pattern, attributes) in parted if pattern)
    return [line for line in found if macros or not line.pattern.startswith(_MACRO)]


def lines_with(repository: Repository, filter_name: str) -> list[Line]:
    """The lines of all attributes files that give a filter to a pattern, by themselves or by a macro."""
    every = [line for file in files(repository) for line in lines(file, macros=True)]
    names = {
        line.pattern.removeprefix(_MACRO)
        for line in every
        if line.pattern.startswith(_MACRO) and line.filter == filter_name
    }
    return [
        line
        for line in every
        if not line.pattern.startswith(_MACRO) and (line.filter == filter_name or names & set(line.attributes))
    ]


def with_pattern(text: str, pattern: str) -> str:
    """An attributes file with one more pattern of checkpoints, its line endings kept; unchanged if it has it."""
    if any(_tracks(line, pattern) for line in _split(text)):
        return text
    end = "\r\n" if "\r\n" in text else "\n"
    joint = "" if not text or text.endswith("\n") else end
    return f"{text}{joint}{written(pattern)} {TRACKED}{end}"


def without_pattern(text: str, pattern: str) -> str:
    """An attributes file without the line that makes this pattern a checkpoint."""
    return "".join(line for line in _split(text) if not _tracks(line, pattern))


def written(pattern: str) -> str:
    """The pattern as it stands in a file: bare, or in C quotes where git would misread it."""
    if not re.search(f"[{_BLANK}]", pattern) and pattern[:1] not in ('"', "#"):
        return pattern
    return '"' + re.sub(r'[\\"\t\r\n]', lambda found: _ESCAPES[found[0]], pattern) + '"'


def literal(path: str) -> str:
    """The pattern that means one path and nothing else."""
    pattern = _GLOB.sub(r"\\\1", path)
    return f"\\{pattern}" if pattern.startswith("!") else pattern


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern in an attributes file means a path below its folder."""
    return bool(_regular(pattern).fullmatch(path if "/" in pattern else os.path.basename(path)))


def below(pattern: str, folder: str) -> str | None:
    """The pattern that means the same files from a folder that lies lower; None if it means none there."""
    if "/" not in pattern or pattern.startswith("**/"):
        return pattern
    start = f"{folder}/"
    inside = pattern.removeprefix("/")
    return f"/{inside.removeprefix(start)}" if inside.startswith(start) else None


@cache
def _regular(pattern: str) -> re.Pattern[str]:
    """What git's wildmatch takes a pattern for: unlike in fnmatch, only two asterisks between slashes cross a slash."""
    return re.compile("".join(map(_meaning, _PART.findall(pattern.removeprefix("/")))), re.DOTALL)


def _meaning(part: str) -> str:
    if part in _MEANINGS:
        return _MEANINGS[part]
    if part[0] == "*":
        return "[^/]*"
    if part[0] == "[" and len(part) > 2:
        return f"(?!/){translate(part.replace('[^', '[!', 1)).removeprefix('(?s:')[:-3]}"
    return re.escape(part[-1])


def filters(repository: Repository, paths: Sequence[str]) -> dict[str, str]:
    """The filter of each path that has one; paths are relative to the repository's folder."""
    return attribute(repository, "filter", paths)


def attribute(repository: Repository, name: str, paths: Iterable[str], *, added: bool = False) -> dict[str, str]:
    """The value of an attribute for each path that has one; paths need not exist.

    With ``added`` the attributes files of the index count, instead of those of the working tree.
    """
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    source = ["--cached"] if added else []
    fields = os.fsdecode(repository.output("check-attr", *source, "-z", "--stdin", name, stdin=stdin)).split("\0")[:-1]
    return {
        path: value
        for path, value in zip(fields[0::3], fields[2::3], strict=True)
        if value not in ("unspecified", "unset")
    }


def held(repository: Repository, paths: Iterable[str]) -> set[str]:
    """Those of the paths that the working tree's own attributes make checkpoints in full."""
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    command = ("-c", f"core.attributesFile={os.devnull}", "check-attr", "-z", "--stdin", *_HELD)
    fields = os.fsdecode(repository.output(*command, stdin=stdin)).split("\0")[:-1]
    found = list(zip(fields[0::3], fields[1::3], fields[2::3], strict=True))
    return {path for path, _, _ in found} - {path for path, name, value in found if _HELD[name] != value}


def files(repository: Repository) -> Iterator[Path]:
    """Every attributes file of a working tree, the strongest first: git's own, then the deepest folders."""
    yield repository.common_dir / "info" / "attributes"
    top = repository.top
    listed = Repository(top).output(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".gitattributes", "**/.gitattributes"
    )
    found = {Path(os.fsdecode(name)) for name in listed.split(b"\0")[:-1]}
    yield from (top / path for path in sorted(found, key=lambda path: (-len(path.parts), path)))
    user = repository.config("core.attributesfile")
    yield Path(user or os.path.join(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "git/attributes")).expanduser()


def setting_line(repository: Repository, path: Path, filter_name: str) -> Line | None:
    """The line that most likely gives this path its filter; ``path`` is absolute."""
    matching = [line for line in lines_with(repository, filter_name) if _may_match(line, path)]
    return max((line for line in matching if line.file == matching[0].file), key=lambda line: line.number, default=None)


def _may_match(line: Line, path: Path) -> bool:
    if "/" not in line.pattern:
        return matches(line.pattern, path.name)
    return path.is_relative_to(line.file.parent) and matches(line.pattern, str(path.relative_to(line.file.parent)))


def _tracks(text: str, pattern: str) -> bool:
    found, attributes = _parted(text)
    return found == pattern and "filter=theta" in attributes


def _parted(text: str) -> tuple[str, tuple[str, ...]]:
    """Pattern (``[attr]NAME`` for a macro) and attributes of one line; an empty one for comments and blank lines."""
    text = text.strip(_BLANK)
    if not text or text.startswith("#"):
        return "", ()
    if text.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if not quoted:
            return "", ()
        pattern = re.sub(r"\\(.)", lambda found: _UNESCAPED.get(found[1], found[1]), quoted[1])
        return pattern, _words(text[quoted.end() :])
    pattern, *attributes = _words(text)
    return pattern, tuple(attributes)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(f"[{_BLANK}]+", text) if word)


def _split(text: str) -> list[str]:
    """The lines with their ends, divided where git divides them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
