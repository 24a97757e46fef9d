"""The forms in which a diff is shown: the options that name them, and their text."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from theta_diff import moves
from theta_diff import thresholds
from theta_diff.file_change import FileChange
from theta_diff.file_change import header
from theta_diff.renderers import json_report
from theta_diff.renderers import outlines
from theta_diff.renderers.colours import CHOICES
from theta_diff.renderers.colours import palette
from theta_diff.renderers.terminal import joined
from theta_diff.renderers.terminal import lines
from theta_diff.report import Report
from theta_git.path_text import git_path

Shown = tuple[FileChange | None, Report]
"""a report, and the change in git that it is about"""


def add_options(parser: ArgumentParser) -> None:
    """Declare the options that say how a diff is shown, and the rules it must keep."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--stat", action="store_true", help="one line for each group")
    form.add_argument("--summary", action="store_true", help="one line for each file")
    form.add_argument("--name-only", action="store_true", help="the names of the groups that differ")
    form.add_argument("--format", choices=("text", "markdown"), default="text", help="markdown: for a pull request")
    form.add_argument("--html", type=Path, metavar="FILE", help="write one page with histograms (reads all values)")
    form.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--color", choices=CHOICES, default="auto", help="when to colour (default: as git would)")
    parser.add_argument("--fail-on", action="append", default=[], metavar="RULE", help=thresholds.HELP)


def text(args: Namespace, found: Sequence[Shown]) -> str:
    """What to print; with --html the page is written and nothing is left to print. Raises OSError."""
    reports = [report for _, report in found]
    if args.json:
        document = {"version": json_report.VERSION, "files": [json_report.document(report) for report in reports]}
        return json.dumps(document, indent=2, allow_nan=False) + "\n"
    if args.html:
        from theta_diff.renderers import html

        args.html.write_text(html.page(reports), encoding="utf-8")
        return ""
    if args.format == "markdown":
        from theta_diff.renderers import markdown

        return markdown.text(reports)
    return joined(_lines(args, found))


def offences(rules: Sequence[thresholds.Rule], found: Sequence[Shown]) -> list[str]:
    """One line for each group that breaks a rule."""
    return [
        f"{git_path(report.new)}: {line} (--fail-on '{rule.text}')"
        for _, report in found
        for rule in rules
        for line in thresholds.offences(rule, report)
    ]


def _lines(args: Namespace, found: Sequence[Shown]) -> Iterator[str]:
    colours = palette(args.color)
    for change, report in found:
        if args.name_only:
            yield from (f"{git_path(report.new)}\t{git_path(name)}" for name in outlines.group_names(report))
        elif args.summary:
            yield outlines.one_line(report)
        elif args.stat:
            yield from outlines.stat(report, colours)
        else:
            yield from (colours.paint("meta", line) for line in (header(change) if change else ()))
            yield from lines(report, colours)
    if not args.name_only:
        yield from moves.lines(moves.moves(report for _, report in found))
