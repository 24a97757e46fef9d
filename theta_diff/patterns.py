"""Patterns for names of groups: globs that also understand names as diffs fold them."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from fnmatch import translate

_RUN = re.compile(r"\{([0-9]+(?:(?:,|\.\.)[0-9]+)*)(?:\([0-9]+\))?\}")
_MOST = 100_000
"""numbers in a run, at most: who writes more does not mean numbers of layers"""


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a name matches a glob (fnmatch), in which ``{0..3,7}`` stands for any of these numbers.

    So what a diff prints for many groups finds the same groups again. Of ``{10..133(62)}``, which does not tell
    which 62 they were, all from 10 to 133.
    """
    pieces = _RUN.split(pattern)
    if len(pieces) == 1:
        return lambda name: fnmatchcase(name, pattern)
    head, tail = translate("x").split("x")
    texts = [translate(text).removeprefix(head).removesuffix(tail) for text in pieces[::2]]
    runs = [f"(?:{'|'.join(map(str, _numbers(run)))})" for run in pieces[1::2]]
    inner = "".join(text + run for text, run in zip(texts, [*runs, ""], strict=True))
    expression = re.compile(head + inner + tail)
    return lambda name: expression.match(name) is not None


def _numbers(run: str) -> list[int]:
    """The numbers of ``0..3,7``."""
    spans = [part.split("..") for part in run.split(",")]
    return [number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)[:_MOST]]
