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
from theta_diff.compare import compared
from theta_diff.report import Report
from theta_diff.terminal import joined
from theta_diff.terminal import lines
from theta_store.checkpoint import opened


def report_of(old: Path, new: Path) -> Report:
    """What differs between two files, with exact statistics. Raises OSError, Failure."""
    from theta_diff.exact import measured

    with opened(old) as before, opened(new) as after:
        comparison = compared(before.manifest, after.manifest)
        found = measured(comparison.modified, before, after)
        warnings = [
            f"{path}: {side.found.layout.warning}"
            for path, side in ((old, before), (new, after))
            if side.found.layout.warning
        ]
    return Report(
        old=str(old),
        new=str(new),
        comparison=comparison,
        changes=found.changes,
        opaque="opaque" in (before.manifest.format, after.manifest.format),
        notes=(*warnings, *found.problems),
    )


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
