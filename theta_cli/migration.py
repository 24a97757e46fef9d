"""Carrying out a conversion: in one new commit, or in every commit there is."""

from __future__ import annotations

from itertools import compress

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_cli.conversion import Conversion
from theta_cli.conversion import holds_pointer
from theta_git import history
from theta_git.commits import committed_blobs
from theta_git.commits import start_of
from theta_git.history import Rules
from theta_git.repository import Repository
from theta_git.trees import index_entries


class NothingMatches(Failure):
    """No file is named like the patterns."""


_NOTHING = "nothing to convert: all matching files were converted before"


def migrate_history(conversion: Conversion) -> list[str]:
    """Convert every commit of every branch and tag; what to tell the user, in lines."""
    repository = conversion.repository
    history.check_clean(repository)
    rules = Rules(conversion.file, conversion.root_attributes)
    rewritten = history.rewrite(repository, rules)
    _check_out(repository, conversion)
    files, commits = _changed(conversion), counted(rewritten.commits, "commit")
    done = f"converted {counted(files, 'file')} in {commits}; the old commits are kept at {history.BACKUP}*"
    told = [done if files else _NOTHING, rewritten.warning(), history.NEXT]
    return [text for text in told if text]


def migrate_head(conversion: Conversion, message: str) -> list[str]:
    """Convert what is committed now, in a new commit; what to tell the user, in lines.

    The files of the working tree stay as they are, except those of git-theta, which are written anew, since it had
    kept only their parameters, and those that hold a pointer of git-lfs.
    """
    repository = Repository(conversion.repository.top)
    history.check_clean(repository)
    start = start_of(repository, "HEAD")
    entries = index_entries(repository)
    new = {entry.path: conversion.file(entry.path, entry.oid) for entry in entries}
    changed = [entry for entry in entries if new[entry.path] != entry.oid]
    if not changed and conversion.done:
        return [_NOTHING]
    if not changed:
        patterns = " ".join(conversion.patterns)
        raise NothingMatches(f"no file matches {patterns}; to list files, type: git ls-files")
    old = next((entry.oid for entry in entries if entry.path == history.ATTRIBUTES), None)
    blobs = {entry.path: new[entry.path] for entry in changed} | {history.ATTRIBUTES: conversion.root_attributes(old)}
    with history.followed(repository):
        committed_blobs(repository, "HEAD", blobs, f"{message}\n", start)
    _check_out(repository, conversion)
    return [f"converted {counted(_changed(conversion), 'file')} in a new commit; earlier commits are unchanged"]


def _check_out(repository: Repository, conversion: Conversion) -> None:
    """Write the checkpoints that HEAD now holds as other files than before, or that were not written at all."""
    made = [entry for entry in index_entries(repository) if conversion.is_meant(entry.path)]
    hollow = (entry.oid in conversion.new_files or holds_pointer(repository.top / entry.path) for entry in made)
    paths = "".join(f"{entry.path}\0" for entry in compress(made, hollow))
    if paths:
        stdin = paths.encode("utf-8", "surrogateescape")
        Repository(repository.top).output("checkout-index", "--force", "--index", "-z", "--stdin", stdin=stdin)


def _changed(conversion: Conversion) -> int:
    return sum(old != new for old, new in conversion.done.items())
