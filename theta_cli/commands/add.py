"""`git theta add`."""

from __future__ import annotations

import os
import subprocess
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_cli import installation
from theta_cli import tracking
from theta_git import attributes
from theta_git.repository import Repository

UPDATE_TYPES = ("low-rank", "sparse", "ia3", "lora")


class HalfAnUpdate(Failure):
    """One of --update-type and --update-data without the other."""


class NoSuchFile(Failure):
    """A path with nothing there."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a checkpoint file")
    parser.add_argument(
        "--update-type", choices=UPDATE_TYPES, metavar="TYPE", help=f"how to change it: {', '.join(UPDATE_TYPES)}"
    )
    parser.add_argument(
        "--update-data",
        type=Path,
        metavar="FILE",
        help="apply the update in this file, or (lora, ia3) folder that PEFT saved, to the committed checkpoint",
    )


def run(args: Namespace) -> int:
    """Track the files that are not tracked yet, then `git add` them and .gitattributes."""
    repository = Repository()
    _ = repository.top
    if args.update_type or args.update_data:
        return _update(repository, args)
    repository.check_inside(args.paths)
    _check_present(repository, args.paths)
    filters = attributes.filters(repository, args.paths)
    fresh = [path for path in args.paths if filters.get(path) != "theta"]
    for one in tracking.track(repository, fresh) if fresh else []:
        print(f"tracking {one.pattern}")
    if installed := installation.installed_if_needed(repository):
        print(f"installed theta in {installed} (local)")
    done = subprocess.run(["git", "add", "--", *([".gitattributes"] if fresh else []), *args.paths], check=False)
    return done.returncode


def _check_present(repository: Repository, paths: Sequence[str]) -> None:
    """That a slip of the pen leaves no line in .gitattributes."""
    for path in paths:
        if not os.path.lexists(path) and not repository.output("ls-files", "--cached", "--others", "--", path):
            raise NoSuchFile(f"{path}: no such file; to track what will come, type: git theta track {path}")


def _update(repository: Repository, args: Namespace) -> int:
    """Update the committed version of a checkpoint, in the index and in the working tree."""
    from theta_cli import updating

    if not (args.update_type and args.update_data):
        raise HalfAnUpdate("an update takes PATH, --update-type and --update-data")
    count = updating.update(repository, list(dict.fromkeys(args.paths)), args.update_type, args.update_data)
    print(f"updated {counted(count, 'group')} of {' '.join(args.paths)}")
    return 0
