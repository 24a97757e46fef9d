"""`git theta diff`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.failure import explained
from theta_diff import files
from theta_diff import presentation
from theta_diff import thresholds
from theta_diff.file_change import FileChange
from theta_diff.file_change import report_of
from theta_diff.file_change import wanted_detail
from theta_diff.presentation import Shown
from theta_diff.report import Detail
from theta_diff.revisions import changed_files
from theta_git.path_text import git_path
from theta_git.repository import Repository

_EPILOG = """\
Without revisions the working tree is compared with the index, with --cached the index with HEAD; with one revision
the working tree with it; with two (or A..B, A...B) one with the other. Distances marked with ≈ are estimates from
sketches and cost nothing; --exact reads the values of the groups that differ.
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("arguments", nargs="*", metavar="REVISION or PATH", help="up to two revisions, then paths")
    parser.add_argument("--cached", "--staged", action="store_true", help="compare the index with HEAD")
    parser.add_argument("--no-index", action="store_true", help="compare two files, in or outside of a repository")
    parser.add_argument("--exact", action="store_true", help="read the values of all groups that differ")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if something differs")
    presentation.add_options(parser)


def run(args: Namespace) -> int:
    """Show what differs.

    Exit code 1 if a rule is broken or a file cannot be read, and with --exit-code if something differs.
    """
    rules = [thresholds.rule(text) for text in args.fail_on]
    repository = Repository()
    changes = [] if args.no_index else changed_files(repository, args.arguments, args.cached)
    detail = _detail(args, repository)
    found = [_of_two_files(args, detail)] if args.no_index else list(_of_changes(repository, changes, detail))
    sys.stdout.write(presentation.text(args, found))
    broken = presentation.offences(rules, found)
    sys.stderr.write("".join(f"{line}\n" for line in broken))
    differs = args.exit_code and any(not report.comparison.is_empty for _, report in found)
    return 1 if broken or differs or len(found) < len(changes) else 0


def _detail(args: Namespace, repository: Repository) -> Detail:
    if args.html:
        return Detail.HISTOGRAMS
    return Detail.EXACT if args.exact or args.no_index else wanted_detail(repository)


def _of_two_files(args: Namespace, detail: Detail) -> Shown:
    if len(args.arguments) != 2:
        raise Failure("--no-index takes two files: git theta diff --no-index OLD NEW")
    old, new = map(Path, args.arguments)
    return None, files.report_of(old, new, detail)


def _of_changes(repository: Repository, changes: Sequence[FileChange], detail: Detail) -> Iterator[Shown]:
    """The report of every file; one that cannot be read is named and left out."""
    for change in changes:
        try:
            yield change, report_of(change, repository.theta_dir, detail)
        except (Failure, OSError) as error:
            print(f"theta: {git_path(change.new_path)}: {explained(error)}", file=sys.stderr)
