"""`git theta pull`."""

from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.manifest import parse
from theta_cli import installation
from theta_cli.fetching import ObjectsMissing
from theta_cli.fetching import fetched
from theta_cli.inventory import Tracked
from theta_cli.inventory import holds_manifest
from theta_cli.inventory import tracked
from theta_filter.clone import Clone
from theta_filter.smudge import smudged
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_store.needed import needed_objects
from theta_store.presence import missing_text


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    parser.add_argument("--remote", metavar="NAME", help="instead of the branch's own remote")


def run(args: Namespace) -> int:
    """Fetch what is missing, and put the values into files that hold only their manifest.

    The files are written piece by piece and without git, which would hold each in memory.
    """
    repository = Repository()
    installation.ensure_installed(repository)
    clone = Clone(repository)
    entries = [entry for entry in tracked(repository, args.paths) if _is_hollow(repository, entry)]
    needed = needed_objects(repository, {str(entry.index): entry.path for entry in entries})
    failures = fetched(repository, clone.store.objects, needed, args.remote)
    texts = {entry.path: _filled(repository.top / entry.path, clone) for entry in entries}
    _tell_git(repository, [path for path, lacking in texts.items() if not lacking])
    if lacking := {path: text for path, text in texts.items() if text}:
        raise ObjectsMissing(lacking, failures)
    return 0


def _is_hollow(repository: Repository, entry: Tracked) -> bool:
    """Whether the file holds the manifest of the index, and nothing newer."""
    file = repository.top / entry.path
    return bool(entry.index) and holds_manifest(file) and file.read_bytes() == repository.blob(str(entry.index))


def _filled(file: Path, clone: Clone) -> str | None:
    """Fill one file; what is missing if that cannot be done."""
    content = file.read_bytes()
    lacking = missing_text(parse(content), clone.store.objects)
    if not lacking:
        _replace(file, smudged(content, clone).pieces)
        print(f"wrote {git_path(os.path.relpath(file))}")
    return lacking


def _tell_git(repository: Repository, paths: Sequence[str]) -> None:
    """Let the index know the files' new sizes and times; their blobs stay the same."""
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    Repository(repository.top).output("update-index", "-z", "--stdin", stdin=stdin)


def _replace(file: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all, with the permissions it had."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as output:
            output.writelines(pieces)
        partial.chmod(file.stat().st_mode)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
