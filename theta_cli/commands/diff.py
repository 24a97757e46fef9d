"""`git theta diff`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_cli.json_output import print_json
from theta_diff import files
from theta_diff import json_report
from theta_diff import markdown
from theta_diff import outlines
from theta_diff import thresholds
from theta_diff.colours import CHOICES
from theta_diff.colours import Palette
from theta_diff.colours import palette
from theta_diff.file_change import FileChange
from theta_diff.file_change import git_path
from theta_diff.file_change import header
from theta_diff.file_change import report_of
from theta_diff.report import Detail
from theta_diff.report import Report
from theta_diff.revisions import changed_files
from theta_diff.terminal import lines
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
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--stat", action="store_true", help="one line for each group")
    form.add_argument("--summary", action="store_true", help="one line for each file")
    form.add_argument("--name-only", action="store_true", help="the names of the groups that differ")
    form.add_argument("--format", choices=("text", "markdown"), default="text", help="markdown: for a pull request")
    form.add_argument("--html", type=Path, metavar="FILE", help="write one page with histograms (implies --exact)")
    form.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--color", choices=CHOICES, default="auto", help="when to colour (default: as git would)")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if something differs")
    parser.add_argument("--fail-on", action="append", default=[], metavar="RULE", help=thresholds.HELP)


def run(args: Namespace) -> int:
    """Show what differs; exit code 1 if a rule is broken, or with --exit-code if something differs."""
    rules = [thresholds.rule(text) for text in args.fail_on]
    repository = Repository()
    changes = [] if args.no_index else changed_files(repository, args.arguments, args.cached)
    reports = list(_reports(repository, args, changes))
    _show(args, changes, reports)
    broken = [
        (rule, report, line) for report in reports for rule in rules for line in thresholds.offences(rule, report)
    ]
    for rule, report, line in broken:
        print(f"{git_path(report.new)}: {line} (--fail-on '{rule.text}')", file=sys.stderr)
    differs = any(not report.comparison.is_empty for report in reports)
    return 1 if broken or (args.exit_code and differs) else 0


def _reports(repository: Repository, args: Namespace, changes: Sequence[FileChange]) -> Iterator[Report]:
    detail = Detail.HISTOGRAMS if args.html else Detail.EXACT if args.exact else Detail.ESTIMATED
    if args.no_index:
        if len(args.arguments) != 2:
            raise Failure("--no-index takes two files: git theta diff --no-index OLD NEW")
        old, new = map(Path, args.arguments)
        yield files.report_of(old, new, max(detail, Detail.EXACT))
    for change in changes:
        yield report_of(change, repository.theta_dir, detail)


def _show(args: Namespace, changes: Sequence[FileChange], reports: Sequence[Report]) -> None:
    if args.json:
        print_json({"files": [json_report.document(report) for report in reports]})
    elif args.html:
        from theta_diff import html

        args.html.write_text(html.page(reports), encoding="utf-8")
    elif args.format == "markdown":
        sys.stdout.write(markdown.text(reports))
    elif args.name_only:
        for report in reports:
            for name in outlines.group_names(report):
                print(f"{git_path(report.new)}\t{git_path(name)}")
    elif args.summary:
        for report in reports:
            print(outlines.one_line(report))
    else:
        _show_lines(args, changes, reports, palette(args.color))


def _show_lines(args: Namespace, changes: Sequence[FileChange], reports: Sequence[Report], colours: Palette) -> None:
    for number, report in enumerate(reports):
        if not args.stat and changes:
            for line in header(changes[number]):
                print(colours.paint("meta", line))
        for line in outlines.stat(report, colours) if args.stat else lines(report, colours):
            print(line)
