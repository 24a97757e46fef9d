"""`git theta blame`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Mapping

from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import printable
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_diff.folding import folded
from theta_diff.history import Commit
from theta_diff.history import Version
from theta_diff.history import blamed
from theta_diff.history import blob_at
from theta_diff.history import blobs
from theta_diff.history import steps
from theta_diff.history import versions
from theta_diff.wording import described
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="PATH", help="a checkpoint")
    parser.add_argument("pattern", nargs="?", default="*", metavar="GLOB", help="only groups whose names match")
    parser.add_argument("--revision", default="HEAD", metavar="REV", help="start from here (default: HEAD)")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Tell the last commit to change each group."""
    repository = Repository()
    oid = blob_at(repository, args.revision, args.path)
    found = steps(repository, args.path, args.revision)
    known = versions(repository, args.path, [oid, *blobs(found)], args.pattern)
    commits = blamed(found, known, oid)
    if args.json:
        groups = [_facts(name, commits.get(name)) for name in sorted(known[oid].groups)]
        print_json({"path": args.path, "groups": groups})
    else:
        _show(known[oid], commits)
    return 0


def _show(version: Version, commits: Mapping[str, Commit]) -> None:
    rows = folded(version.groups.values(), lambda t: t.name, lambda t: (described(t), commits.get(t.name)))
    width = max((len(quoted(row.name)) for row in rows), default=0)
    for row in rows:
        tensor = row.items[0]
        commit = commits.get(tensor.name)
        who = f"{commit.short} {commit.date} {printable(commit.author):<16.16}" if commit else "?".ljust(38)
        count = f"  ({len(row.items)} groups)" if len(row.items) > 1 else ""
        print(f"{who}  {quoted(row.name).ljust(width)}  {described(tensor)}{count}")


def _facts(name: str, commit: Commit | None) -> dict[str, object]:
    if not commit:
        return {"name": name, "commit": None}
    return {"name": name, "commit": commit.oid, "date": commit.date, "author": commit.author, "subject": commit.subject}
