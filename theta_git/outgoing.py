"""What a push brings that the remote does not have yet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

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
    parted = (line.split() for line in lines)
    updates = [RefUpdate(fields[1], fields[3]) for fields in parted if len(fields) == 4]
    return [update for update in updates if update.local.strip("0")]


def outgoing_blobs(repository: Repository, updates: Iterable[RefUpdate], remote: str | None) -> dict[str, str]:
    """Blob id to a path, for all that the pushed commits hold and the remote's known branches do not.

    With no remote, for all that they hold.
    """
    wanted = [update.local for update in updates]
    there = [update.remote for update in updates if update.remote.strip("0") and _exists(repository, update.remote)]
    if not wanted:
        return {}
    stdin = "\n".join([*wanted, *(f"^{oid}" for oid in there)]).encode()
    listed = repository.output(
        "rev-list", "--objects", "--filter=object:type=blob", "--filter-provided-objects", "--missing=allow-any",
        "--stdin", *(["--not", f"--remotes={_literal(remote)}"] if remote else []), stdin=stdin,
    )  # fmt: skip
    pairs = (os.fsdecode(line).partition(" ") for line in listed.splitlines())
    return {oid: path or oid for oid, _, path in pairs}


def _exists(repository: Repository, oid: str) -> bool:
    return repository.finished("cat-file", "-e", oid).returncode == 0


def _literal(name: str) -> str:
    """The name as a pattern that means nothing else."""
    return "".join(f"\\{char}" if char in "*?[\\" else char for char in name)
