"""A real pseudo-terminal in which a program runs: keys in, screen out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

UP, DOWN, ENTER, ESCAPE = "\x1b[A", "\x1b[B", "\r", "\x1b"
"""keys"""
PATIENCE = 300.0
"""seconds to wait for what must come"""


class _Screen(pyte.HistoryScreen):
    """A screen that answers when the program asks where the cursor is."""

    answer_to: int

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)

    def write_process_input(self, data: str) -> None:
        os.write(self.answer_to, data.encode())


@dataclass
class PseudoTerminal:
    """The user's side of it."""

    fd: int
    process: subprocess.Popen[bytes]
    screen: Any
    stream: Any

    @property
    def text(self) -> str:
        """What the user sees, with what has scrolled away above it."""
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in (*above, *self.screen.display))

    def until(self, text: str) -> str:
        """Wait for a text to be on the screen; the screen as it is then."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, f"{text!r} never came; on the screen:\n{self.text}"
            self._read()
        return self.text

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def code(self) -> int:
        """Wait for the program to end; its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end; on the screen:\n{self.text}"
            self._read()
        self._read()
        return self.process.returncode

    def children(self) -> list[int]:
        """The processes that setsid has started."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in text.split()] or [self.process.pid]

    def _read(self) -> None:
        ready, _, _ = select.select([self.fd], [], [], 0.1)
        if ready:
            with contextlib.suppress(OSError):
                self.stream.feed(os.read(self.fd, 65536))


@contextlib.contextmanager
def running(*arguments: str, term: str = "xterm", lines: int = 30, columns: int = 100) -> Iterator[PseudoTerminal]:
    """A program with a controlling terminal of its own, which it may ask on."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "GIT_TERMINAL_PROMPT"}
    process = subprocess.Popen(
        # setsid alone makes no controlling terminal: the program opens it anew; nohup and & let signals be ignored
        ["env", "--default-signal=HUP,INT,TSTP", "setsid", "--ctty", "--wait", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": term},
    )
    os.close(theirs)
    try:
        screen = _Screen(columns, lines, history=1000)
        screen.answer_to = ours
        yield PseudoTerminal(ours, process, screen, pyte.ByteStream(screen))
    finally:
        process.kill()
        process.wait()
        os.close(ours)
