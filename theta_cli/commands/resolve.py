"""`git theta resolve`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace
from dataclasses import replace

from strategies.contract import MergeError
from theta_checkpoint.failure import Failure
from theta_cli import installation
from theta_git.operation import waiting
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_merge.report import conflict_report
from theta_merge.resolution import Request
from theta_merge.resolution import Resolver
from theta_merge.resolution import Unmerged
from theta_merge.resolution import at_root
from theta_merge.wishes import given
from theta_merge.wishes import wish


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a checkpoint in conflict (default: all)")
    parser.add_argument("-s", "--strategy", metavar="NAME", help="what settles the conflicts")
    parser.add_argument(
        "-X", dest="options", metavar="OPTION=VALUE", action="append", default=[], help="an option of the strategy"
    )
    parser.add_argument("--match", metavar="GLOB", help="settle only the parameter groups that match")
    parser.add_argument("--recipe", metavar="FILE", help="rules in TOML: which strategy for which groups")
    parser.add_argument(
        "--values", choices=("ours", "theirs"), help="whose values (epoch, ...) to keep where both sides changed them"
    )
    parser.add_argument("-i", "--interactive", action="store_true", help="settle them one by one in a menu")


def run(args: Namespace) -> int:
    """Settle conflicts; 1 while some are left."""
    repository = Repository()
    installation.ensure_installed(repository)
    resolver = Resolver.at(repository, os.environ)
    paths = at_root(args.paths, repository)
    found = resolver.unmerged(paths)
    _check(paths, found)
    wanted = given(args.strategy, args.options, args.recipe, args.values)
    wanted.check(2)
    request = Request(wanted, args.match, args.interactive)
    left = [one.path for one in found if not _resolved(one, request, resolver)]
    if not left:
        print(_way_on(resolver) if found else "no checkpoint is in conflict")
    return 1 if left else 0


def _way_on(resolver: Resolver) -> str:
    """What to type once all checkpoints are merged."""
    operation = waiting(resolver.repository)
    if others := resolver.unmerged_files():
        files = ", ".join(map(git_path, others))
        then = f", then type: {operation.go_on}" if operation else ""
        return f"all checkpoints are merged; other files are still in conflict: {files}; git add them{then}"
    if operation:
        return f"all checkpoints are merged; finish with: {operation.go_on}"
    kept = resolver.repository.finished("rev-parse", "--verify", "--quiet", "refs/stash").returncode == 0
    drop = "; if they came from the stash, which keeps them, type: git stash drop" if kept else ""
    return f"all checkpoints are merged and staged{drop}"


def _check(paths: list[str], found: list[Unmerged]) -> None:
    unknown = set(paths) - {one.path for one in found}
    if unknown:
        raise Failure(f"{min(unknown)}: not a checkpoint in conflict; list them with: git status")


def _resolved(one: Unmerged, request: Request, resolver: Resolver) -> bool:
    """Settle one path and tell about it; whether nothing is left open in it."""
    if not request.wish and not request.interactive:
        default = wish(one.path, os.environ, resolver.repository)
        request = replace(request, wish=default, interactive=not default)
    try:
        result = resolver.resolve(one, request)
    except MergeError as error:
        raise MergeError(f"{one.path}: {error}") from error
    for line in conflict_report(one.path, result, len(result.manifest.groups)):
        print(f"theta: {line}", file=sys.stderr)
    if not result.open:
        print(f"merged {one.path}")
    return not result.open
