"""The terminal of the user, wherever git has redirected standard input and output."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import TextIO

USUAL = 80
"""columns"""


@dataclass(frozen=True)
class Terminal:
    """Both directions of /dev/tty."""

    input: TextIO
    output: TextIO

    def has_room(self, environment: Mapping[str, str]) -> bool:
        """Whether a full-screen menu fits and works."""
        if environment.get("TERM", "dumb") == "dumb":
            return False
        columns, lines = os.get_terminal_size(self.output.fileno())
        return columns >= 60 and lines >= 15

    @property
    def width(self) -> int:
        """The columns of a line; what most have where that is not known."""
        try:
            return os.get_terminal_size(self.output.fileno()).columns or USUAL
        except (OSError, ValueError):
            return USUAL

    def ask(self, prompt: str) -> str | None:
        """The line that the user types; None at the end of input."""
        print(prompt, end="", file=self.output, flush=True)
        line = self.input.readline()
        return line.strip() if line else None

    def say(self, text: str = "") -> None:
        """Show a line."""
        print(text, file=self.output, flush=True)

    def progress(self, text: str) -> None:
        """Show how far something is, in place of what was shown of it before."""
        print(f"\r  {text:<40}", end="", file=self.output, flush=True)


@contextlib.contextmanager
def terminal(environment: Mapping[str, str]) -> Iterator[Terminal | None]:
    """The user's terminal; None where nobody can be asked (no terminal, in the background, told not to).

    If it goes away, that is an interrupt, as Control-C is.
    """
    if environment.get("GIT_TERMINAL_PROMPT") == "0":
        yield None
        return
    with _hangup_interrupts(), contextlib.ExitStack() as stack:
        try:
            input = stack.enter_context(open("/dev/tty", encoding="utf-8", errors="replace"))
            output = stack.enter_context(open("/dev/tty", "w", encoding="utf-8", errors="replace"))
            here = os.tcgetpgrp(input.fileno()) == os.getpgrp()
        except OSError:
            here = False
        yield Terminal(input, output) if here else None


@contextlib.contextmanager
def _hangup_interrupts() -> Iterator[None]:
    """The terminal's process group may be told more than once: one interrupt is enough."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGHUP, interrupt)
    try:
        yield
        signal.signal(signal.SIGHUP, before)
    except EOFError as error:
        raise KeyboardInterrupt from error
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise KeyboardInterrupt from error
