"""The processes that started this one, and how they were called."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
"""where Linux tells of processes; macOS and the BSDs have nothing there, and are asked through ps(1)"""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs."""

    parent: int
    words: tuple[str, ...]
    """its command line"""
    exact: bool
    """whether each word is an argument as it was given; else it is what stands between two spaces"""

    @property
    def is_git(self) -> bool:
        """Whether the program is git."""
        return bool(self.words) and os.path.basename(self.words[0]) == "git"


def above(count: int) -> Iterator[Process]:
    """The parent of this process, its parent, and so on: at most ``count``, as far as they are known."""
    pid = os.getppid()
    for _ in range(count):
        found = _from_proc(pid) or _from_ps(pid)
        if found is None:
            return
        yield found
        pid = found.parent


def _from_proc(pid: int) -> Process | None:
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        parent = int((PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return Process(parent, tuple(words), exact=True)


def _from_ps(pid: int) -> Process | None:
    command = ["ps", "-ww", "-o", "ppid=", "-o", "args=", "-p", str(pid)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        parent, *words = done.stdout.decode(errors="replace").split()
        return Process(int(parent), tuple(words), exact=False)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
