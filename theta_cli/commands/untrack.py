"""`git theta untrack`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import tracking
from theta_cli.commands.track import next_command
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="as `git theta track` lists it")


def run(args: Namespace) -> int:
    """Take the patterns out; the files themselves stay as they are."""
    repository = Repository()
    _ = repository.top
    done = tracking.untrack(repository, args.patterns)
    elsewhere = {
        line.pattern: f"; {line.shown_file}:{line.number} tracks it" for line in tracking.tracked_lines(repository)
    }
    for one in done:
        not_here = f"{one.pattern} was not tracked here{elsewhere.get(one.pattern, '')}"
        print(f"no longer tracking {one.pattern}" if one.changed else not_here)
    if any(one.changed for one in done):
        print(f"next: {next_command(done)}")
    return 0
