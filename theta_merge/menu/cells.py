"""Text in the cells of a terminal, where a character may take two, or none. Pure."""

from __future__ import annotations

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
    found = text[: max(room - 1, 0)]
    while found and cells(found) > room - 1:
        found = found[:-1]
    return f"{found}…" if room > 0 else ""


def filled(text: str, room: int) -> str:
    """The text in just so many cells."""
    text = cut(text, room)
    return text + " " * (room - cells(text))


def right(text: str, room: int) -> str:
    """The text at the right end of so many cells."""
    text = cut(text, room)
    return " " * (room - cells(text)) + text
