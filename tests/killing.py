"""Kill a command with all that it started, and clear away what git tells its user to clear away then."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path


def killed(command: list[str], seconds: float, *repositories: Path) -> None:
    """Run a command for so long, then kill it; the locks that git leaves in these repositories are removed."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _wait_for_the_rest(process.pid)
    for lock in (lock for repository in repositories for lock in repository.rglob("*.lock")):
        lock.unlink()


def _wait_for_the_rest(session: int) -> None:
    """A killed process finishes the system call that it is in, which may make a lock: wait until all are gone."""
    while session in _living_sessions():
        time.sleep(0.01)


def _living_sessions() -> Iterable[int]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, _, session, *_ = file.read_text(errors="replace").rpartition(")")[2].split()
            if state not in "ZX":
                yield int(session)
