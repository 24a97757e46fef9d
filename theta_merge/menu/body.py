"""The middle of the screen: as many lines as there is room for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Line = Sequence[tuple[str, str]]
"""pieces of one line: style class and text"""


@dataclass(frozen=True, slots=True)
class Body:
    """What is shown of a longer text."""

    lines: Sequence[Line]
    above: int = 0
    """lines that have scrolled away"""
    below: int = 0
    """lines there is no room for"""


def scrolled(lines: Sequence[Line], first: int, room: int) -> Body:
    """The lines from the first one on, but no emptier at the end than it must be."""
    first = max(0, min(first, len(lines) - room))
    return Body(lines[first : first + room], first, max(0, len(lines) - first - room))


def around(lines: Sequence[Line], place: int, room: int) -> Body:
    """As many lines as there is room for, with the line at ``place`` in their middle."""
    return scrolled(lines, place - room // 2, room)
