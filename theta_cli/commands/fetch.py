"""`git theta fetch`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.printable import counted
from theta_cli.fetching import ObjectsMissing
from theta_cli.fetching import fetched
from theta_cli.inventory import below
from theta_cli.inventory import parsed
from theta_cli.inventory import tracked
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import commit_entries
from theta_git.trees import reachable_blobs
from theta_store.needed import objects_of
from theta_store.presence import missing_text
from theta_store.store import Store


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    parser.add_argument("--remote", metavar="NAME", help="fetch from here (default: the branch's own remote)")
    parser.add_argument("--rev", metavar="REV", help="fetch for the checkpoints of a commit instead of the index")
    parser.add_argument("--all", action="store_true", help="fetch for every commit that a ref or reflog holds")
    parser.add_argument("--sketches", action="store_true", help="fetch only what differences are estimated from")
    parser.add_argument(
        "--include",
        metavar="GLOB",
        action="append",
        default=[],
        help="fetch only groups whose names match; may be repeated",
    )
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Bring the objects here that the checkpoints need, and no others."""
    repository = Repository()
    store = Store.at(repository.theta_dir)
    manifests = _manifests(repository, args)
    wanted = {oid for manifest in manifests.values() for oid in _wanted(manifest, args)}
    lacking = {oid for oid in wanted if not store.objects.has(oid)}
    failures = fetched(repository, store.objects, lacking, args.remote)
    texts = {path: missing_text(m, store.objects) for path, m in manifests.items()} if failures else {}
    missing = {path: text for path, text in texts.items() if text}
    if args.json:
        print_json({"fetched": len(lacking) - len(failures), "failed": failures, "missing": missing})
        return 1 if failures else 0
    if failures:
        raise ObjectsMissing(missing, failures)
    print(f"fetched {counted(len(lacking), 'object')}" if lacking else "all objects are here")
    return 0


def _wanted(manifest: Manifest, args: Namespace) -> set[str]:
    if args.sketches:
        return {manifest.sketches} if manifest.sketches else set()
    return objects_of(manifest, args.include)


def _manifests(repository: Repository, args: Namespace) -> dict[str, Manifest]:
    """The manifests that were asked for, by path; of the whole history by path and blob."""
    if args.all:
        named = {oid: f"{path} ({oid[:10]})" for oid, path in reachable_blobs(repository).items()}
    elif args.rev:
        top = repository.commit(args.rev)
        held = {entry.path: entry.oid for entry in commit_entries(repository, top)}
        chosen = below(repository, list(held), args.paths) if args.paths else held
        named = {held[path]: path for path in chosen}
    else:
        entries = tracked(repository, args.paths)
        named = {entry.index: entry.path for entry in entries if entry.index}
        named |= {oid: f"{entry.path} ({oid[:10]})" for entry in entries for oid in entry.unmerged}
    found = ((named[oid], parsed(text)) for oid, text in blobs_beginning(repository, named, HEAD))
    return {path: manifest for path, manifest in found if isinstance(manifest, Manifest)}
