"""How soon the merge menu is on screen, and how long a key takes, for models with every group in conflict.

    python benchmarks/menu.py [--rounds 5] [--groups 1000,20000] [--folder DIR]

From `git merge` on a pseudo-terminal to the whole first screen, and from a key to the whole screen after it; the CPU
time is of git and all it started, to the first screen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import select
import statistics
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from git_commands import git
from git_commands import new_repository
from models import write_safetensors

NAME = "model.safetensors"
WHOLE = b"q done"
"""the end of the first screen"""
DOWN = b"\x1b[B"
QUIET = 0.1
"""seconds without output after which a screen is whole"""


@dataclass(frozen=True)
class Round:
    """One use of the menu, in seconds."""

    screen: float
    cpu: float
    key: float


def conflicting(folder: Path, groups: int) -> None:
    """A repository whose branches main and side both changed every group."""
    new_repository(folder, "theta", NAME)
    names = (f"encoder.layer.{index // 10}.part{index % 10}.weight" for index in range(groups))
    shapes = dict.fromkeys(names, (16, 16))
    for branch, tuned in (("main", 0), ("side", 1), ("main", 2)):
        if tuned:
            git(folder, "switch", "-q", *(["-c"] if tuned == 1 else []), branch)
        write_safetensors(folder / NAME, shapes, ("",) if tuned else (), tuned)
        git(folder, "add", NAME)
        git(folder, "commit", "-q", "-m", f"version {tuned}")


def used(folder: Path) -> Round:
    """Merge, wait for the menu, press the arrow key five times and leave without a choice."""
    start = time.perf_counter()
    process, terminal = pty.fork()
    if not process:
        termios.tcsetwinsize(0, (40, 120))
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null")
        os.execvp("git", ["git", "merge", "--no-edit", "side"])
    os.set_blocking(terminal, False)
    screen = _whole(terminal, WHOLE) - start
    cpu = _cpu(process)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        os.write(terminal, DOWN)
        times.append(_whole(terminal, b"") - start)
    os.write(terminal, b"q")
    _drain(terminal)
    os.waitpid(process, 0)
    git(folder, "reset", "-q", "--hard")
    return Round(screen, cpu, statistics.median(times))


def _whole(terminal: int, end: bytes) -> float:
    """When the last piece of a screen arrived, after which there is nothing for a while."""
    seen, last = b"", 0.0
    while True:
        if select.select([terminal], [], [], QUIET if last and end in seen else 60)[0]:
            seen += os.read(terminal, 1 << 16)
            last = time.perf_counter()
        elif last and end in seen:
            return last
        else:
            raise SystemExit(f"no menu: {seen.decode(errors='replace')}")


def _drain(terminal: int) -> None:
    """Read what is written until the other end is closed, which Linux tells by an error."""
    os.set_blocking(terminal, True)
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as output:
        while output.read(1 << 16):
            pass


def _cpu(group: int) -> float:
    """User and system seconds of all processes in a process group, and of their children that ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def counts(text: str) -> Sequence[int]:
    return [int(count) for count in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--groups", type=counts, default=[1000, 20000])
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    print("| groups | first screen (s) | its CPU (s) | a key (s) |\n| --- | --- | --- | --- |")
    for groups in options.groups:
        with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
            conflicting(Path(temporary), groups)
            rounds = [used(Path(temporary)) for _ in range(options.rounds)]
        screen, cpu, key = (
            statistics.median(getattr(one, what) for one in rounds) for what in ("screen", "cpu", "key")
        )
        print(f"| {groups:,} | {screen:.2f} | {cpu:.2f} | {key:.3f} |")


if __name__ == "__main__":
    main()
