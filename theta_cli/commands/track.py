"""`git theta track`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Sequence

from theta_cli import installation
from theta_cli import tracking
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_cli.tracking import Tracked
from theta_git.attributes import Line
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="a file, or a pattern as in .gitattributes")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """List the tracked patterns, or add some and install theta here if it is not installed at all."""
    repository = Repository()
    if not args.patterns:
        return _listed(tracking.tracked_lines(repository), args.json)
    _ = repository.top
    done = tracking.track(repository, args.patterns)
    installed = installation.installed_if_needed(repository)
    if args.json:
        patterns = [{"pattern": one.pattern, "added": one.changed, "files": one.files} for one in done]
        print_json({"patterns": patterns, "installed": installed})
        return 0
    for one in done:
        print(f"{'tracking' if one.changed else 'already tracking'} {one.pattern}")
    if installed:
        print(f"installed theta in {installed} (local)")
    print(f"next: {next_command(done)}")
    return 0


def next_command(done: Sequence[Tracked]) -> str:
    """What to type after tracking."""
    files = dict.fromkeys(file for one in done for file in one.files)
    return shlex.join(["git", "add", ".gitattributes", *(files if len(files) <= 5 else [one.pattern for one in done])])


def _listed(lines: Sequence[Line], as_json: bool) -> int:
    found = [{"pattern": line.pattern, "file": line.shown_file, "line": line.number} for line in lines]
    if as_json:
        print_json({"patterns": found})
        return 0
    for entry in found:
        print(f"{entry['pattern']}  ({entry['file']}:{entry['line']})")
    if not found:
        print("nothing is tracked yet; type: git theta track PATTERN")
    return 0
