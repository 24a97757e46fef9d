"""`git theta log`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from theta_checkpoint.printable import percent
from theta_checkpoint.printable import printable
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_diff.change import estimates
from theta_diff.compare import Comparison
from theta_diff.compare import compared_tensors
from theta_diff.distances import drift
from theta_diff.history import Commit
from theta_diff.history import blob_at
from theta_diff.history import blobs
from theta_diff.history import located
from theta_diff.history import steps
from theta_diff.history import versions
from theta_diff.renderers import json_report
from theta_diff.renderers.colours import CHOICES
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.colours import palette
from theta_diff.renderers.terminal import lines
from theta_diff.report import Report
from theta_diff.wording import counts
from theta_git.repository import Repository
from theta_store.store import Store


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit, and what it did to the groups that are asked for."""

    commit: Commit
    report: Report
    change: float | None
    """estimated relative change of all of them together"""
    drift: float | None
    """estimated relative distance to the commit that drift is measured from"""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="PATH", help="a checkpoint")
    parser.add_argument("pattern", nargs="?", default="*", metavar="GLOB", help="only groups whose names match")
    parser.add_argument("-p", "--patch", action="store_true", help="show what each commit did to each group")
    parser.add_argument("-n", "--max-count", type=int, metavar="N", help="show at most the newest N commits")
    parser.add_argument("--revision", default="HEAD", metavar="REV", help="start from here (default: HEAD)")
    parser.add_argument("--drift-from", metavar="REV", help="also show the distance of each version from this one")
    parser.add_argument("--color", choices=CHOICES, default="auto", help="when to colour (default: as git would)")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Tell which commits changed a checkpoint or some of its groups, and how far."""
    found = entries(Repository(), args)
    if args.json:
        print_json({"path": args.path, "commits": [_facts(entry) for entry in found]})
        return 0
    colours = palette(args.color)
    for entry in found:
        for line in _lines(entry, colours, args.patch):
            print(line)
    return 0


def entries(repository: Repository, args: Namespace) -> Iterator[Entry]:
    """The commits that changed such groups, newest first."""
    found = steps(repository, args.path, args.revision, args.max_count)
    start = blob_at(repository, args.drift_from, args.path) if args.drift_from else None
    known = versions(repository, args.path, [start, *blobs(found)], args.pattern)
    objects = Store.at(repository.theta_dir).objects
    place = lru_cache(maxsize=4)(lambda oid: located(known[oid], objects))
    for step in found:
        parent = step.old[0] if step.old else None
        troubles = tuple(dict.fromkeys(filter(None, (known[oid].trouble for oid in (parent, step.new)))))
        if troubles:
            yield Entry(step.commit, Report(args.path, args.path, Comparison(), notes=troubles), None, None)
            continue
        comparison = compared_tensors(known[parent].groups, known[step.new].groups)
        if not comparison.is_empty:
            old, new = place(parent), place(step.new)
            changes = estimates(comparison.modified, old.sketches, new.sketches)
            report = Report(args.path, args.path, comparison, changes)
            yield Entry(step.commit, report, drift(old, new), drift(place(start), new) if start else None)


def _lines(entry: Entry, colours: Palette, patch: bool) -> Iterator[str]:
    commit = entry.commit
    head = f"{colours.paint('changed', commit.short)} {commit.date} {printable(commit.subject)}"
    told = [] if patch else [counts(entry.report.comparison)]
    told += entry.report.notes
    if entry.change is not None and entry.report.comparison.modified:
        told.append(f"change ≈ {percent(entry.change)}")
    if entry.drift is not None:
        told.append(f"drift ≈ {percent(entry.drift)}")
    yield f"{head}  ({', '.join(told)})" if told else head
    if patch and not entry.report.comparison.is_empty:
        yield from (f"    {line}" for line in lines(entry.report, colours))


def _facts(entry: Entry) -> dict[str, object]:
    commit = entry.commit
    return {
        "commit": commit.oid,
        "date": commit.date,
        "author": commit.author,
        "subject": commit.subject,
        "change": entry.change,
        "drift": entry.drift,
        **json_report.document(entry.report),
    }
