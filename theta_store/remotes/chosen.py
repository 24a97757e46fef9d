"""Which remote keeps the objects of a git remote.

For the git remote NAME, the first of: ``remote.NAME.thetaUrl``, a URL or the name of a theta remote;
``theta.remote.NAME.url``, as ``git theta remote add NAME URL`` writes it; ``theta.defaultRemote``, the name of a theta
remote for all git remotes; the git-lfs server of the git remote itself.
"""

from __future__ import annotations

from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Remote

DEFAULT = "theta.defaultRemote"


def remote_of(repository: Repository, objects: ObjectStore, name: str) -> Remote:
    """The remote for a git remote, a theta remote, or the URL of either."""
    if url := url_of(repository, name):
        from theta_store.remotes.kvstore import KvStoreRemote

        return KvStoreRemote(objects, name, url)
    from theta_store.remotes.lfs import LfsRemote

    return LfsRemote(repository, objects, name)


def url_of(repository: Repository, name: str) -> str | None:
    """Where the objects of a remote lie, unless it is the git-lfs server of the git remote."""
    chosen = repository.config(f"remote.{name}.thetaUrl")
    if chosen and "://" in chosen:
        return chosen
    every = repository.config(DEFAULT)
    places = (repository.config(f"theta.remote.{place}.url") for place in (chosen, name, every) if place)
    return next((url for url in places if url), None)
