"""Files as a commit that no one keeps: for programs that take their input as a commit."""

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
class TransientCommit:
    """A commit that only programs started with ``environment`` can see."""

    oid: str
    environment: Mapping[str, str]


@contextlib.contextmanager
def transient_commit(repository: Repository, files: Mapping[str, bytes], folder: Path) -> Iterator[TransientCommit]:
    """A commit of these files, in a scratch repository below ``folder`` that is gone afterwards.

    The repository itself is not written to, so nothing is left to collect and no ref ever points to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="commit.") as scratch:
        bare = {name: value for name, value in os.environ.items() if name not in _OF_THE_REPOSITORY}
        kind = repository.line("rev-parse", "--show-object-format")
        _run(["init", "--quiet", "--bare", "--template=", f"--object-format={kind}", scratch], bare)
        oid = _run(["--git-dir", scratch, "fast-import", "--quiet"], bare, _stream(files)).decode().strip()
        known = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES")
        places = os.pathsep.join([os.path.join(scratch, "objects"), *([known] if known else [])])
        yield TransientCommit(oid, {**os.environ, "GIT_ALTERNATE_OBJECT_DIRECTORIES": places})


def _stream(files: Mapping[str, bytes]) -> bytes:
    """The files as git-fast-import(1) wants them."""
    parts = [b"commit refs/heads/transient\nmark :1\ncommitter theta <theta> 0 +0000\ndata 0\n"]
    for name, content in files.items():
        parts.append(b"M 100644 inline %b\ndata %d\n%b\n" % (os.fsencode(name), len(content), content))
    return b"".join([*parts, b"get-mark :1\n"])


def _run(arguments: list[str], environment: Mapping[str, str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(["git", *arguments], input=stdin, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise GitFailed(tuple(arguments), done.stderr.decode(errors="replace"))
    return done.stdout
