"""`git theta gc`."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Mapping

from theta_checkpoint.manifest import ANY_VERSION
from theta_checkpoint.manifest import object_ids
from theta_checkpoint.printable import counted
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_cli.pruning import Pruned
from theta_cli.pruning import pruned
from theta_git.held import check_whole
from theta_git.held import checked_out_blobs
from theta_git.held import held_blobs
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_store.objects import hash_of
from theta_store.store import Store
from theta_store.sweep import GRACE
from theta_store.sweep import Swept
from theta_store.sweep import sweep

_DAY = 24 * 3600


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be done, and change nothing")
    parser.add_argument(
        "--grace", type=float, metavar="DAYS", default=GRACE / _DAY,
        help="how long to keep an object that nothing needs (default: 14)",
    )  # fmt: skip
    parser.add_argument(
        "--prune-remote-verified", action="store_true",
        help="also delete what no worktree uses and the remote has; each object is read back from the remote first",
    )  # fmt: skip
    parser.add_argument("--remote", metavar="NAME", help="read back from here (default: the branch's own remote)")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Delete objects that nothing which git still holds needs, in two steps with a grace period each."""
    repository = Repository()
    check_whole(repository)
    objects = Store.at(repository.theta_dir).objects
    needed = {hash_of(oid) for _, text in held_blobs(repository, ANY_VERSION) for oid in object_ids(text)}
    swept = sweep(objects, needed, time.time(), args.grace * _DAY, dry=args.dry_run)
    found = Pruned()
    if args.prune_remote_verified:
        found = pruned(repository, objects, _unused(repository, swept.kept), args.remote, args.dry_run)
    if args.json:
        print_json({**_facts(swept), **found.facts()})
    else:
        _tell(swept, args.dry_run)
        for line in found.told(args.dry_run):
            print(line)
    return 1 if found.is_amiss else 0


def _unused(repository: Repository, kept: Mapping[str, int]) -> dict[str, int]:
    """The kept objects that no worktree, stash or merge in progress uses."""
    used = blobs_beginning(repository, checked_out_blobs(repository), ANY_VERSION)
    names = set(kept).difference(hash_of(oid) for _, text in used for oid in object_ids(text))
    return {name: kept[name] for name in names}


def _facts(swept: Swept) -> dict[str, object]:
    kinds = ("kept", "young", "set_aside", "put_back", "deleted")
    counts = {kind: getattr(swept, kind) for kind in kinds}
    return {
        **{kind: {"objects": len(sizes), "bytes": sum(sizes.values())} for kind, sizes in counts.items()},
        "leftovers": swept.leftovers,
    }


def _tell(swept: Swept, dry: bool) -> None:
    would = "would be " if dry else ""
    lines = [
        (swept.kept, "needed, kept"),
        (swept.young, "young, kept"),
        (swept.put_back, f"{would}put back: needed again"),
        (swept.set_aside, f"{would}set aside: nothing needs them; a later gc deletes them"),
        (swept.deleted, f"{would}deleted"),
    ]
    for sizes, what in lines:
        if sizes:
            print(f"{counted(len(sizes), 'object')}, {sum(sizes.values()):,} bytes: {what}")
    if swept.leftovers:
        print(f"{counted(len(swept.leftovers), 'unfinished file')}: {would}deleted")
    if not any(sizes for sizes, _ in lines):
        print("there are no objects", file=sys.stderr)
