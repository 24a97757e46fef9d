"""Where a checkpoint's path lies in its repository."""

from __future__ import annotations

import os
from pathlib import Path

from theta_git.repository import Repository


def path_in_tree(repository: Repository, path: str | os.PathLike[str]) -> str:
    """The path from the root of the working tree; in a bare repository, the path as it is given."""
    if repository.is_bare:
        return os.fspath(path)
    place = Path(os.path.abspath(repository.folder / path))
    folder = Path(os.path.realpath(place.parent))
    return (folder / place.name).relative_to(os.path.realpath(repository.top)).as_posix()
