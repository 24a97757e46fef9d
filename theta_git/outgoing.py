"""What a push brings that the remote does not have yet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from theta_git import remotes
from theta_git.repository import Repository


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One line that git gives to a pre-push hook (githooks(5))."""

    local: str
    """id of what is pushed; only zeros where the ref is deleted"""
    remote: str
    """id of what the remote has there; only zeros where it has nothing"""


def ref_updates(lines: Iterable[str]) -> list[RefUpdate]:
    """The updates among a pre-push hook's input lines that push something."""
    parted = (line.rsplit(maxsplit=3) for line in lines)  # what was typed for the local ref may hold spaces
    updates = [RefUpdate(fields[1], fields[3]) for fields in parted if len(fields) == 4]
    return [update for update in updates if update.local.strip("0")]


def known_tips(repository: Repository, updates: Iterable[RefUpdate], name: str, url: str) -> list[str]:
    """Ids of commits and tags that the remote has.

    What is remembered of its branches counts if a ref that is pushed shows that this is still the same repository;
    else it is asked: what is pushed to may be new, or another one than what is fetched from.
    """
    fetched = url == remotes.fetched_from(repository, name)
    if fetched and any(update.remote.strip("0") and _exists(repository, update.remote) for update in updates):
        listed = repository.output("for-each-ref", "--format=%(objectname)", f"refs/remotes/{name}")
    else:
        listed = repository.finished("ls-remote", "--heads", "--tags", "--", name if fetched else url).stdout
    return [line.split()[0].decode() for line in listed.splitlines()]


def outgoing_blobs(repository: Repository, updates: Iterable[RefUpdate], there: Iterable[str]) -> dict[str, str]:
    """Blob id to a path, for all that the pushed commits hold and those that the remote has do not.

    ``there`` are the latter, beside those that the updates replace; see :func:`known_tips`. A partial clone brings
    the blobs that it lacks, as git does to push them.
    """
    updates = list(updates)
    if not updates:
        return {}
    excluded = [*there, *(update.remote for update in updates if update.remote.strip("0"))]
    stdin = "\n".join([*(update.local for update in updates), *(f"^{oid}" for oid in excluded)]).encode()
    listed = repository.output(
        "rev-list", "--objects", "--filter=object:type=blob", "--filter-provided-objects", "--ignore-missing",
        "--stdin", stdin=stdin,
    )  # fmt: skip
    pairs = (os.fsdecode(line).partition(" ") for line in listed.splitlines())
    return {oid: path or oid for oid, _, path in pairs}


def _exists(repository: Repository, oid: str) -> bool:
    return repository.finished("cat-file", "-e", oid).returncode == 0
