"""Which remote keeps the objects of a git remote.

For the git remote NAME, the first of: ``remote.NAME.thetaUrl``, a URL or the name of a theta remote;
``theta.remote.NAME.url``, as ``git theta remote add NAME URL`` writes it; ``theta.defaultRemote``, the name of a theta
remote for all git remotes; the git-lfs server of the git remote itself.
"""

from __future__ import annotations

import os

from theta_checkpoint.failure import Failure
from theta_git import remotes
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Remote

DEFAULT = "theta.defaultRemote"


class NoRemote(Failure):
    """Nothing says where objects are kept."""


def remote_of(repository: Repository, objects: ObjectStore, name: str) -> Remote:
    """The remote for a git remote, a theta remote, or the URL of either; raises :class:`NoRemote`."""
    if place := _place(repository, name):
        from theta_store.remotes.kvstore import KvStoreRemote

        return KvStoreRemote(objects, name, *place)
    is_place = "/" in name or ":" in name or os.path.exists(name)
    if not is_place and name not in remotes.names(repository):
        raise NoRemote(f"there is no remote {name!r}; to list them, type: git theta remote")
    from theta_store.remotes.lfs import LfsRemote

    return LfsRemote(repository, objects, name)


def default_remote(repository: Repository, objects: ObjectStore, name: str | None = None) -> Remote:
    """The named remote, else the one from which objects come by default; raises :class:`NoRemote`."""
    name = name or remotes.default(repository)
    if name is None:
        raise NoRemote("there is no remote to fetch them from; to name one, type: git remote add origin URL")
    return remote_of(repository, objects, name)


def destination(repository: Repository, name: str, url: str) -> str:
    """The name or URL of the remote for what git pushes to a git remote at this URL.

    Where a remote is pushed to other URLs than it is fetched from, each is a repository with a git-lfs server of its
    own, unless the configuration says where objects go.
    """
    told = _place(repository, name) or any(
        repository.config(f"remote.{name}.{key}") for key in ("lfsurl", "lfspushurl")
    )
    same = [remotes.fetched_from(repository, name)] == remotes.pushed_to(repository, name)
    return name if told or same else url


def _place(repository: Repository, name: str) -> tuple[str, str | None] | None:
    """URL and endpoint of object storage; None where a git remote keeps its objects itself."""
    chosen = repository.config(f"remote.{name}.thetaUrl")
    if chosen and "://" in chosen:
        return chosen, None
    for place in (chosen, name, repository.config(DEFAULT)):
        if place and (url := repository.config(f"theta.remote.{place}.url")):
            return url, repository.config(f"theta.remote.{place}.endpoint")
    return None
