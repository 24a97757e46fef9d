"""Paths as git prints them."""

from __future__ import annotations


def git_path(path: str) -> str:
    """A path as git prints it: in C quotes if it holds anything that a terminal might obey."""
    if path.isprintable() and not set('"\\') & set(path):
        return path
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else _octal(c)) for c in path) + '"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
