"""Progress as one line of a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from dataclasses import field
from typing import TextIO

_INTERVAL = 0.1
"""seconds between two lines"""


@dataclass
class Meter:
    """Tells of objects on the way, see :data:`theta_store.remotes.Progress`; silent where no one looks."""

    verb: str
    """``sending`` or ``fetching``"""
    stream: TextIO
    _told: float = field(default=0.0, init=False)

    def __call__(self, done: int, total: int) -> None:
        """Show the count."""
        now = time.monotonic()
        if self.stream.isatty() and (now - self._told > _INTERVAL or done == total):
            self._told = now
            print(f"\rtheta: {self.verb} objects: {done}/{total}", end="", file=self.stream, flush=True)

    def close(self) -> None:
        """End the line, if there is one."""
        if self._told:
            print(file=self.stream)
