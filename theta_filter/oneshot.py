"""One-shot clean and smudge: ``python -m theta_filter.oneshot clean PATH < FILE``.

Git itself speaks to the long-running process; these serve git implementations that do not, and people.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from typing import BinaryIO

from theta_checkpoint.failure import Failure
from theta_filter.clean import cleaned
from theta_filter.clone import Clone
from theta_filter.messages import report
from theta_filter.messages import warn
from theta_filter.smudge import smudged
from theta_git.repository import Repository

_PIECE = 1 << 20


def main() -> int:
    """Serve ``clean PATH`` or ``smudge PATH`` on standard input and output; returns the exit code."""
    match sys.argv[1:]:
        case [("clean" | "smudge") as verb, path] if not sys.stdin.isatty():
            pass
        case _:
            print("usage: git theta clean|smudge PATH <INPUT >OUTPUT (git itself runs this)", file=sys.stderr)
            return 2
    filtered = _clean if verb == "clean" else _smudge
    try:
        for piece in filtered(path, Clone(Repository())):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except (Failure, OSError) as error:
        report(path, error)
        return 1
    return 0


def _clean(path: str, clone: Clone) -> Iterable[bytes]:
    result = cleaned(path, _pieces(sys.stdin.buffer), clone)
    warn(path, result.warning)
    return [result.content]


def _smudge(path: str, clone: Clone) -> Iterable[bytes]:
    result = smudged(sys.stdin.buffer.read(), clone)
    warn(path, result.warning)
    return result.pieces


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
