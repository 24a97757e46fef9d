"""`git theta mergetool`: what `git mergetool --tool=theta` runs."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace

from theta_checkpoint.failure import Failure
from theta_git.repository import Repository
from theta_merge.report import conflict_report
from theta_merge.resolution import Request
from theta_merge.resolution import Resolver
from theta_merge.resolution import at_root


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments; git gives four files, of which only the path in conflict is needed."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="BASE LOCAL REMOTE MERGED, as git gives them")


def run(args: Namespace) -> int:
    """Settle the conflicts of one checkpoint in the menu; 1 while some are left."""
    repository = Repository()
    resolver = Resolver.at(repository, os.environ)
    (path,) = at_root([args.files[-1]], repository)
    found = resolver.unmerged([path])
    if not found:
        raise Failure(f"{path}: not a checkpoint in conflict; for other files, type: git mergetool --tool=TOOL")
    result = resolver.resolve(found[0], Request(interactive=True))
    for line in conflict_report(path, result, len(result.manifest.groups)):
        print(f"theta: {line}", file=sys.stderr)
    return 1 if result.open else 0
