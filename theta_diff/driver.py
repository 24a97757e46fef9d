"""The diff driver: what git runs for every changed checkpoint (git(1), GIT_EXTERNAL_DIFF).

A git command never fails because of us: whatever goes wrong, there is a message, git's own text diff of what is
in the repository where that helps, and exit code 0.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_diff.colours import Palette
from theta_diff.colours import palette
from theta_diff.report import Report
from theta_diff.report import reported
from theta_diff.sides import Version
from theta_diff.sides import side_of
from theta_diff.terminal import joined
from theta_diff.terminal import lines
from theta_git.repository import Repository


@dataclass(frozen=True, slots=True)
class Request:
    """What git asks the driver to show."""

    path: str
    old: Version
    new: Version
    new_path: str
    header: tuple[str, ...] = ()
    """git's own lines about a rename or copy"""


def requested(arguments: Sequence[str]) -> Request | None:
    """The request in git's arguments; None for an unmerged path. Raises Failure for anything else."""
    match arguments:
        case [_]:
            return None
        case [path, *rest] if len(rest) in (6, 8):
            old, new = Version(*rest[:3]), Version(*rest[3:6])
            new_path, header = (rest[6], rest[7]) if len(rest) == 8 else (path, "")
            return Request(path, old, new, new_path, tuple(header.splitlines()))
    raise Failure("this command is run by git itself, as its diff driver; compare two files with: theta-diff OLD NEW")


def header(request: Request) -> Iterator[str]:
    """The lines above the diff, as git writes them."""
    old, new = request.old, request.new
    yield f"diff --theta {_git_path('a/' + request.path)} {_git_path('b/' + request.new_path)}"
    if old.is_absent:
        yield f"new file mode {new.mode}"
    elif new.is_absent:
        yield f"deleted file mode {old.mode}"
    elif old.mode != new.mode:
        yield f"old mode {old.mode}"
        yield f"new mode {new.mode}"
    index = [line for line in request.header if line.startswith("index ")]
    yield from (line for line in request.header if line not in index)
    mode = f" {new.mode}" if old.mode == new.mode else ""
    yield f"index {_short(old)}..{_short(new)}{mode}"


def _short(version: Version) -> str:
    return version.oid[:10] if version.has_blob else "0" * 10


def _git_path(path: str) -> str:
    """A path as git prints it: in C quotes if it holds anything that a terminal might obey."""
    if path.isprintable() and not set('"\\') & set(path):
        return path
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else _octal(c)) for c in path) + '"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def _shown(request: Request, colours: Palette) -> Iterator[str]:
    for line in header(request):
        yield colours.paint("meta", line)
    if request.old.oid == request.new.oid and request.old.has_blob:
        return
    try:
        report = _report(request)
    except Exception as error:
        yield from _fallback(request, error, colours)
        return
    yield from lines(report, colours)


def _report(request: Request) -> Report:
    theta_dir = Repository().theta_dir
    old, new = side_of(request.old, theta_dir), side_of(request.new, theta_dir)
    return reported((request.path, request.new_path), old, new)


def _fallback(request: Request, error: Exception, colours: Palette) -> Iterator[str]:
    """A word to the user and git's own diff of the two blobs."""
    print(f"theta: {_git_path(request.new_path)}: {error}", file=sys.stderr)
    if not isinstance(error, Failure | OSError):
        sys.excepthook(type(error), error, error.__traceback__)
    if not (request.old.has_blob and request.new.has_blob):
        yield "the two versions differ"
        return
    colour = "always" if colours.meta else "never"
    arguments = ["git", "diff", "--no-ext-diff", f"--color={colour}", request.old.oid, request.new.oid]
    done = subprocess.run(arguments, capture_output=True, check=False)
    yield from done.stdout.decode("utf-8", "replace").splitlines()


def main(arguments: Sequence[str]) -> int:
    """Print the diff that git asks for."""
    try:
        request = requested(arguments)
        shown = _shown(request, palette()) if request else [f"* Unmerged path {_git_path(arguments[0])}"]
        sys.stdout.buffer.write(joined(shown).encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Failure as error:
        print(f"theta: {error}", file=sys.stderr)
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
