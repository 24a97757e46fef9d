"""`git theta export`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli.conversion import Conversion
from theta_cli.conversion import to_lfs
from theta_cli.conversion import to_plain
from theta_cli.fetching import ObjectsMissing
from theta_cli.fetching import fetched
from theta_cli.fetching import lacking
from theta_cli.migration import migrate_head
from theta_cli.migration import migrate_history
from theta_git.repository import Repository
from theta_git.trees import index_entries
from theta_git.trees import reachable_blobs
from theta_store.needed import needed_objects

_LFS = "filter=lfs diff=lfs merge=lfs -text"


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="as in .gitattributes, such as '*.pt'")
    parser.add_argument("--to", choices=("plain", "lfs"), default="lfs", help="what to turn them into (default: lfs)")
    parser.add_argument("--everything", action="store_true", help="rewrite every commit of every branch and tag")


def run(args: Namespace) -> int:
    """Turn checkpoints of theta into git-lfs or plain files: in a new commit, or in the whole history."""
    repository = Repository()
    _ = repository.top
    conversion = Conversion(repository, args.patterns, *((_LFS, to_lfs) if args.to == "lfs" else (None, to_plain)))
    held = reachable_blobs(repository) if args.everything else {e.oid: e.path for e in index_entries(repository)}
    blobs = {oid: path for oid, path in held.items() if conversion.is_meant(path)}
    objects = conversion.store.objects
    if failures := fetched(repository, objects, needed_objects(repository, blobs), None):
        raise ObjectsMissing(lacking(repository, objects, blobs), failures)
    message = f"No longer track {' '.join(args.patterns)} with theta"
    told = migrate_history(conversion) if args.everything else migrate_head(conversion, message)
    print("\n".join(told))
    return 0
