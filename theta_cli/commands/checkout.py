"""`git theta checkout`."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_filter.room import free_bytes
from theta_filter.room import lacking_room
from theta_git.repository import Repository
from theta_merge.resolution import BASE
from theta_merge.resolution import OURS
from theta_merge.resolution import THEIRS
from theta_merge.resolution import Resolver
from theta_merge.resolution import at_root
from theta_merge.sources import manifest_of
from theta_store.checkpoint import StoredCheckpoint
from theta_store.restore import restored


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--ours", dest="stage", action="store_const", const=OURS, help="our version")
    side.add_argument("--theirs", dest="stage", action="store_const", const=THEIRS, help="their version")
    side.add_argument("--base", dest="stage", action="store_const", const=BASE, help="the common ancestor")
    parser.add_argument("--to", metavar="FILE", type=Path, help="write it here; the file at PATH stays as it is")
    parser.add_argument("path", metavar="PATH", help="a checkpoint in conflict")


def run(args: Namespace) -> int:
    """Write one side of a conflict as a checkpoint file; the conflict stays."""
    repository = Repository()
    resolver = Resolver.at(repository, os.environ)
    (path,) = at_root([args.path], repository)
    found = resolver.unmerged([path])
    if not found:
        raise Failure(f"{path}: not a checkpoint in conflict; list them with: git status")
    stages = found[0].stages
    if args.stage not in stages:
        raise Failure(f"{path}: this side does not have the file")
    manifest = manifest_of(repository.blob(stages[args.stage][1]) or b"", resolver.store)
    if manifest is None:
        raise Failure(f"{path}: this side is an empty file")
    target = args.to or Path(args.path)
    _write(target, StoredCheckpoint(manifest, resolver.store.objects))
    print(f"wrote {target}; settle the conflict with: git theta resolve {args.path}")
    return 0


def _write(target: Path, checkpoint: StoredCheckpoint) -> None:
    """At ``target`` is what was there before, or the whole file."""
    if why := lacking_room(checkpoint, free_bytes(target.parent)):
        raise Failure(f"{target}: {why}; make room, then type the same command again")
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            for piece in restored(checkpoint):
                file.write(piece)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
