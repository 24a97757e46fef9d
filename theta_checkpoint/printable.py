"""Names and texts out of a checkpoint, for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with everything a terminal might obey written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
