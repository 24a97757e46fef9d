"""`git theta pull`."""

from __future__ import annotations

import os
import secrets
import sys
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
from theta_filter.room import free_bytes
from theta_filter.smudge import smudged
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_store.needed import needed_objects
from theta_store.presence import missing_text


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    parser.add_argument("--remote", metavar="NAME", help="fetch from here (default: the branch's own remote)")


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
    lacking = _lacking(repository, entries, clone)
    rest = [entry.path for entry in entries if entry.path not in lacking]
    hollow = {path: why for path in rest if (why := _filled(repository.top / path, clone))}
    _tell_git(repository, [path for path in rest if path not in hollow])
    for path, why in hollow.items():
        print(f"theta: {git_path(path)}: {why}", file=sys.stderr)
    if lacking:
        raise ObjectsMissing(lacking, failures)
    return 1 if hollow else 0


def _lacking(repository: Repository, entries: Iterable[Tracked], clone: Clone) -> dict[str, str]:
    """What is missing of each file that lacks anything."""
    manifests = {entry.path: parse((repository.top / entry.path).read_bytes()) for entry in entries}
    texts = {path: missing_text(manifest, clone.store.objects) for path, manifest in manifests.items()}
    return {path: text for path, text in texts.items() if text}


def _is_hollow(repository: Repository, entry: Tracked) -> bool:
    """Whether the file holds the manifest of the index, and nothing newer."""
    file = repository.top / entry.path
    return bool(entry.index) and holds_manifest(file) and file.read_bytes() == repository.blob(str(entry.index))


def _filled(file: Path, clone: Clone) -> str | None:
    """Fill one file; why it still holds its manifest if that cannot be done."""
    found = smudged(file.read_bytes(), clone, free_bytes(file.parent))
    if found.warning:
        return found.warning
    _replace(file, found.pieces)
    print(f"wrote {git_path(os.path.relpath(file))}")
    return None


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
