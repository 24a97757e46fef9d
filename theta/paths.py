"""Where a checkpoint's path lies in its repository."""

from __future__ import annotations

import os
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_git.repository import Repository


class OutsideRepository(Failure):
    """A path that no commit of the repository can have."""


def path_in_tree(repository: Repository, path: str | os.PathLike[str]) -> str:
    """The path from the root of the working tree; in a bare repository, the path as it is given.

    Raises :class:`OutsideRepository`.
    """
    if repository.is_bare:
        return os.fspath(path)
    place = Path(os.path.abspath(repository.folder / path))
    folder = Path(os.path.realpath(place.parent))
    top = os.path.realpath(repository.top)
    if not folder.is_relative_to(top):
        raise OutsideRepository(f"{os.fspath(path)} is not in the repository {top}; name another one with repository=")
    return (folder / place.name).relative_to(top).as_posix()
