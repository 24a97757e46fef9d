"""`git theta resolve`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace
from dataclasses import replace

from theta_checkpoint.failure import Failure
from theta_cli import installation
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
        "--values", choices=("ours", "theirs"), help="whose values (epoch, ...) stand where both sides changed them"
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
    request = Request(given(args.strategy, args.options, args.recipe, args.values), args.match, args.interactive)
    left = [one.path for one in found if not _resolved(one, request, resolver)]
    if not left:
        print("all checkpoints are merged; finish with: git commit" if found else "no checkpoint is in conflict")
    return 1 if left else 0


def _check(paths: list[str], found: list[Unmerged]) -> None:
    unknown = set(paths) - {one.path for one in found}
    if unknown:
        raise Failure(f"{min(unknown)}: not a checkpoint in conflict; list them with: git status")


def _resolved(one: Unmerged, request: Request, resolver: Resolver) -> bool:
    """Settle one path and tell about it; whether nothing is left open in it."""
    if not request.wish and not request.interactive:
        default = wish(one.path, os.environ, resolver.repository)
        request = replace(request, wish=default, interactive=not default)
    result = resolver.resolve(one, request)
    for line in conflict_report(one.path, result, len(result.manifest.groups)):
        print(f"theta: {line}", file=sys.stderr)
    if not result.open:
        print(f"merged {one.path}")
    return not result.open
