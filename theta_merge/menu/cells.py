"""Text in the cells of a terminal, where a character may take two, or none. Pure."""

from __future__ import annotations

import re

from prompt_toolkit.utils import get_cwidth

from theta_checkpoint.printable import printable


def cells(text: str) -> int:
    """How many cells a printable text takes."""
    return get_cwidth(text)


def cut(text: str, room: int) -> str:
    """The text, printable, and shortened to at most ``room`` cells."""
    text = printable(text)
    if cells(text) <= room:
        return text
    return f"{_beginning(text, room - 1)}…" if room > 0 else ""


def wrapped(text: str, room: int, indent: str = "", most: int | None = None) -> list[str]:
    """The text in lines of at most ``room`` cells, all but the first indented; the last of ``most`` is cut."""
    lines = [""]
    for word in re.findall(r"\s*(?:≈ )?\S+(?: %\S*)?", printable(text)):
        if lines[-1].strip() and cells(lines[-1] + word) > room:
            lines.append(indent + word.lstrip())
        else:
            lines[-1] += word
        while cells(lines[-1]) > room > len(indent) + 1:
            head = _beginning(lines[-1], room)
            lines[-1:] = [head, indent + lines[-1][len(head) :]]
    if most is not None and len(lines) > most:
        lines[most - 1 :] = [cut(" ".join([lines[most - 1], *map(str.strip, lines[most:])]), room)]
    return lines


def _beginning(text: str, room: int) -> str:
    """As much of the text as there is room for."""
    found = text[:room]
    while found and cells(found) > room:
        found = found[:-1]
    return found


def filled(text: str, room: int) -> str:
    """The text in just so many cells."""
    text = cut(text, room)
    return text + " " * (room - cells(text))


def right(text: str, room: int) -> str:
    """The text at the right end of so many cells."""
    text = cut(text, room)
    return " " * (room - cells(text)) + text
