"""`git theta repack`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections import defaultdict

from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import Manifest
from theta_cli.inventory import parsed
from theta_cli.inventory import tracked
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import reachable_blobs
from theta_store.repack import repacked
from theta_store.store import Store


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")


def run(args: Namespace) -> int:
    """Find shorter chains of versions that lean on each other, for the manifests of commits to come."""
    repository = Repository()
    store = Store.at(repository.theta_dir)
    for path, manifests in sorted(_versions(repository, args.paths).items()):
        done = repacked(manifests, store)
        print(
            f"{path}: {len(manifests)} versions, {done.groups} groups repacked, "
            f"deepest chain {done.deepest_before} -> {done.deepest}"
        )
    return 0


def _versions(repository: Repository, paths: list[str]) -> dict[str, list[Manifest]]:
    """Every version of each checkpoint that a ref, a reflog or an index holds, oldest first."""
    blobs = reachable_blobs(repository)
    wanted = {entry.path for entry in tracked(repository, paths)} if paths else set(blobs.values())
    found: dict[str, list[Manifest]] = defaultdict(list)
    newest_first = [blob for blob, path in blobs.items() if path in wanted]
    for blob, text in blobs_beginning(repository, reversed(newest_first), HEAD):
        if isinstance(manifest := parsed(text), Manifest):
            found[blobs[blob]].append(manifest)
    return found
