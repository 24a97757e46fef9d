"""Groups that left one file and turned up in another."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from theta_checkpoint.manifest import quoted
from theta_diff.folding import folded
from theta_diff.report import Report
from theta_git.path_text import git_path


@dataclass(frozen=True, slots=True)
class Move:
    """One group that changed its file, and perhaps its name; its values are the same."""

    old_file: str
    new_file: str
    old_name: str
    new_name: str


def moves(reports: Iterable[Report]) -> list[Move]:
    """Every removed group that is added to another file, once each."""
    reports = list(reports)
    left = {tensor.content: (report.old, tensor.name) for report in reports for tensor in report.comparison.removed}
    arrived = ((report.new, tensor) for report in reports for tensor in report.comparison.added if tensor.parameters)
    found = []
    for new_file, tensor in arrived:
        old_file, old_name = left.get(tensor.content, (new_file, ""))
        if old_file != new_file:
            del left[tensor.content]
            found.append(Move(old_file, new_file, old_name, tensor.name))
    return found


def lines(found: Iterable[Move]) -> Iterator[str]:
    """One line for each run of like names: ``> b.pt: head.{0..3}.weight  moved from a.pt``."""
    rows = folded(found, lambda move: move.new_name, lambda move: (move.old_file, move.new_file, _renamed(move)))
    for row in rows:
        move = row.items[0]
        was = f": {quoted(move.old_name)}" if _renamed(move) else ""
        count = f"  ({len(row.items)} groups)" if len(row.items) > 1 else ""
        yield f"> {git_path(move.new_file)}: {quoted(row.name)}  moved from {git_path(move.old_file)}{was}{count}"


def _renamed(move: Move) -> str:
    """The old name where it is another one: such moves are not folded."""
    return "" if move.old_name == move.new_name else move.old_name
