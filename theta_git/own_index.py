"""An index for the length of one piece of work: trees are made and read in it, and the user's stays as it is."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from theta_git.repository import Repository


@contextlib.contextmanager
def own_index(repository: Repository, tree: str) -> Iterator[Repository]:
    """The repository with another index, which holds what a tree or commit does; nothing if none is named."""
    with tempfile.TemporaryDirectory(dir=repository.common_dir, prefix="theta-index.") as folder:
        apart = replace(repository, index=Path(folder, "index"))
        apart.output("read-tree", *([tree] if tree else ["--empty"]))
        yield apart
