"""``theta-diff OLD NEW``: what differs between two checkpoint files, without git. Exact unless told otherwise."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.failure import explained
from theta_diff import presentation
from theta_diff import thresholds
from theta_diff.file_pair import file_pair
from theta_diff.renderers import json_report
from theta_diff.report import Detail
from theta_diff.report import Report
from theta_diff.report import reported
from theta_diff.sides import Side
from theta_diff.sides import from_file
from theta_diff.sides import from_manifest
from theta_diff.sides import manifest_in_file
from theta_git.repository import Repository


def report_of(old: Path, new: Path, detail: Detail = Detail.EXACT) -> Report:
    """What differs between two files. Raises OSError, Failure."""
    return reported((str(old), str(new)), *_sides(old, new), detail)


def _sides(old: Path, new: Path) -> tuple[Side, Side]:
    """Both versions; a manifest is read through the store of the repository around the current folder."""
    manifests = manifest_in_file(old), manifest_in_file(new)
    if manifests == (None, None):
        return file_pair(old, new)
    found = [
        from_manifest(manifest, Repository().theta_dir) if manifest else from_file(path)
        for path, manifest in zip((old, new), manifests, strict=True)
    ]
    return found[0], found[1]


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="theta-diff",
        description="Show what differs between two checkpoint files.",
        epilog="Exit code: 0 equal, 1 different, 2 trouble; with --fail-on 1 only if a rule is broken.",
    )
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    presentation.add_options(parser)
    return parser


def _shown(report: Report, options: Namespace) -> str:
    if options.json:
        return json_report.text(report) + "\n"
    return presentation.text(options, [(None, report)])


def _run(options: Namespace) -> int:
    rules = [thresholds.rule(text) for text in options.fail_on]
    report = report_of(options.old, options.new, Detail.HISTOGRAMS if options.html else Detail.EXACT)
    sys.stdout.buffer.write(_shown(report, options).encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
    broken = presentation.offences(rules, [(None, report)])
    sys.stderr.write("".join(f"{line}\n" for line in broken))
    return int(bool(broken) if rules else not report.comparison.is_empty)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 0 equal, 1 different, 2 trouble, as diff does."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, Failure) as error:
        print(f"theta-diff: {explained(error)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
