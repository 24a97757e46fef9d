"""A repository for the length of one command: the configuration of another one, and nothing else of it.

For programs that take their input as a commit, and must neither see nor change what the other one holds.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from theta_git.repository import GitFailed
from theta_git.repository import Repository

_OF_THE_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_SHALLOW_FILE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scratch:
    """A bare repository that is gone soon."""

    folder: Path
    environment: Mapping[str, str]
    """in which git, and what it starts, work on it"""


@contextlib.contextmanager
def scratch_repository(repository: Repository, files: Mapping[str, bytes], folder: Path) -> Iterator[Scratch]:
    """A repository below ``folder``, configured as this one; its HEAD is a commit of the files, if there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="scratch.") as scratch:
        environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_REPOSITORY}
        kind = repository.line("rev-parse", "--show-object-format")
        options = ["--quiet", "--bare", "--template=", f"--object-format={kind}", "--initial-branch=scratch"]
        _run(["init", *options, scratch], environment)
        config = Path(scratch, "config")
        places = (repository.common_dir / "config", repository.git_dir / "config.worktree")
        config.write_text("".join(map(_including, places)) + config.read_text(), errors="surrogateescape")
        environment["GIT_DIR"] = scratch
        if files:
            # each file is read once: deltas between them, and to wait for the disk, would take longer than it
            _run(["-c", "core.fsync=none", "fast-import", "--quiet", "--depth=0"], environment, _stream(files))
        yield Scratch(Path(scratch), environment)


def _including(config: Path) -> str:
    quoted = str(config).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'[include]\n\tpath = "{quoted}"\n'


def _stream(files: Mapping[str, bytes]) -> bytes:
    """The files as git-fast-import(1) wants them."""
    parts = [b"commit refs/heads/scratch\ncommitter theta <theta> 0 +0000\ndata 0\n"]
    for name, content in files.items():
        parts.append(b"M 100644 inline %b\ndata %d\n%b\n" % (os.fsencode(name), len(content), content))
    return b"".join(parts)


def _run(arguments: list[str], environment: Mapping[str, str], stdin: bytes = b"") -> None:
    done = subprocess.run(["git", *arguments], input=stdin, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise GitFailed(tuple(arguments), done.stderr.decode(errors="replace"))
