"""`git theta add`."""

from __future__ import annotations

import subprocess
from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli import tracking
from theta_git import attributes
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a checkpoint file")


def run(args: Namespace) -> int:
    """Track the files that are not tracked yet, then `git add` them and .gitattributes."""
    repository = Repository()
    _ = repository.top
    filters = attributes.filters(repository, args.paths)
    fresh = [path for path in args.paths if filters.get(path) != "theta"]
    for one in tracking.track(repository, fresh) if fresh else []:
        print(f"tracking {one.pattern}")
    if installed := installation.installed_if_needed(repository):
        print(f"installed theta in {installed} (local)")
    done = subprocess.run(["git", "add", "--", *([".gitattributes"] if fresh else []), *args.paths], check=False)
    return done.returncode
