"""`git theta untrack`."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import tracking
from theta_cli.commands.track import next_command
from theta_git.attributes import Line
from theta_git.history import ATTRIBUTES
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="as `git theta track` lists it")


def run(args: Namespace) -> int:
    """Take the patterns out; the files themselves stay as they are."""
    repository = Repository()
    _ = repository.top
    done = tracking.untrack(repository, args.patterns)
    for one, argument in zip(done, args.patterns, strict=True):
        line = tracking.tracking_line(repository, argument)
        if line:
            print(f"{one.pattern} {'is taken out' if one.changed else 'was not tracked here'}; {_held(line)}")
        else:
            print(f"no longer tracking {one.pattern}" if one.changed else f"{one.pattern} was not tracked here")
    if any(one.changed for one in done):
        print(f"next: {next_command(done)}")
    return 0


def _held(line: Line) -> str:
    """What tracks it all the same, and the command that takes that out where there is one."""
    place = f"{line.shown_file}:{line.number} tracks it by {line.pattern}"
    if line.file.name != ATTRIBUTES or line.filter != "theta":
        return place
    folder = os.path.dirname(line.shown_file)
    elsewhere = ["-C", folder] if folder else []
    return f"{place}; for all that this matches: {shlex.join(['git', *elsewhere, 'theta', 'untrack', line.pattern])}"
