"""``theta-diff OLD NEW``: what differs between two checkpoint files, without git. Exact unless told otherwise."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_diff import json_report
from theta_diff.colours import CHOICES
from theta_diff.colours import palette
from theta_diff.report import Detail
from theta_diff.report import Report
from theta_diff.report import reported
from theta_diff.sides import Side
from theta_diff.sides import from_file
from theta_diff.sides import from_manifest
from theta_diff.sides import manifest_in_file
from theta_diff.terminal import joined
from theta_diff.terminal import lines
from theta_git.repository import Repository


def report_of(old: Path, new: Path, detail: Detail = Detail.EXACT) -> Report:
    """What differs between two files. Raises OSError, Failure."""
    return reported((str(old), str(new)), _side(old), _side(new), detail)


def _side(path: Path) -> Side:
    """The version in a file; a manifest is read through the store of the repository around the current folder."""
    manifest = manifest_in_file(path)
    return from_manifest(manifest, Repository().theta_dir) if manifest else from_file(path)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="theta-diff", description="Show what differs between two checkpoint files.")
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--color", choices=CHOICES, default="auto", help="when to colour (default: as git would)")
    return parser


def _printed(report: Report, options: Namespace) -> str:
    if options.json:
        return json_report.text(report) + "\n"
    return joined(lines(report, palette(options.color)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 0 equal, 1 different, 2 trouble, as diff does."""
    options = _parser().parse_args(arguments)
    try:
        report = report_of(options.old, options.new)
        sys.stdout.buffer.write(_printed(report, options).encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except (OSError, Failure) as error:
        print(f"theta-diff: {error}", file=sys.stderr)
        return 2
    return 0 if report.comparison.is_empty else 1


if __name__ == "__main__":
    sys.exit(main())
