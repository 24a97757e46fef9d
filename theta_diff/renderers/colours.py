"""Colour as git decides it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

CHOICES = ("auto", "always", "never")
_SLOTS = {"meta": "bold", "frag": "cyan", "old": "red", "new": "green", "changed": "yellow", "dim": "dim"}
_NAMES = {"bold": "\x1b[1m", "dim": "\x1b[2m", "red": "\x1b[31m", "green": "\x1b[32m"}
_NAMES |= {"yellow": "\x1b[33m", "cyan": "\x1b[36m"}
_RESET = "\x1b[m"


@dataclass(frozen=True, slots=True)
class Palette:
    """Escape sequences by what they mark; all empty where there is no colour."""

    meta: str = ""
    frag: str = ""
    old: str = ""
    new: str = ""
    changed: str = ""
    dim: str = ""

    def paint(self, slot: str, text: str) -> str:
        """The text in the colour of a slot, reset at its end: a pager loses colour that spans lines."""
        start = getattr(self, slot)
        return f"{start}{text}{_RESET}" if start and text else text


def palette(choice: str = "auto") -> Palette:
    """The colours to print with: the choice, then NO_COLOR, then git's configuration, then TERM.

    git's own colours for diffs are used where they are set.
    """
    if not _is_coloured(choice):
        return Palette()
    return Palette(**{slot: _NAMES[name] for slot, name in _SLOTS.items()} | _configured())


def _is_coloured(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    terminal = sys.stdout.isatty() or os.environ.get("GIT_PAGER_IN_USE", "") in ("true", "1")
    if os.environ.get("TERM", "dumb") == "dumb":
        terminal = False
    done = subprocess.run(
        ["git", "config", "--get-colorbool", "color.diff", str(terminal).lower()], capture_output=True, check=False
    )
    return done.stdout.strip() == b"true" if done.stdout else terminal


def _configured() -> dict[str, str]:
    """The user's colours, as escape sequences; git spells them out."""
    keys = subprocess.run(
        ["git", "config", "--name-only", "--get-regexp", r"^color\.diff\.(meta|frag|old|new)$"],
        capture_output=True,
        check=False,
    )
    found = {}
    for key in keys.stdout.decode(errors="replace").split():
        done = subprocess.run(["git", "config", "--get-color", key], capture_output=True, check=False)
        found[key.rpartition(".")[2]] = done.stdout.decode("ascii", "replace")
    return found
