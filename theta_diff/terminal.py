"""The diff as lines for a terminal or a pager: signs and words say all, colour only repeats it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.manifest import quoted
from theta_diff.colours import Palette
from theta_diff.compare import ValueChange
from theta_diff.folding import Fold
from theta_diff.folding import folded
from theta_diff.heatmap import LEGEND
from theta_diff.heatmap import bar
from theta_diff.heatmap import drawn
from theta_diff.heatmap import heat_maps
from theta_diff.report import Report
from theta_diff.rows import Row
from theta_diff.rows import measures
from theta_diff.rows import rows
from theta_diff.tree import Branch
from theta_diff.tree import branches
from theta_diff.wording import printable
from theta_diff.wording import summary
from theta_diff.wording import value_text

_MAX_NAME, _MAX_WHAT = 72, 32
_FLAT = 8
"""rows up to which each stands with its full name, easy to grep and to copy"""


def lines(report: Report, palette: Palette) -> Iterator[str]:
    """The body of the diff of one file, without line ends: what changed, then one line that sums it up."""
    comparison = report.comparison
    if comparison.formats:
        yield palette.paint("changed", "~ format  {} -> {}".format(*comparison.formats))
    for row in folded(comparison.values, lambda change: change.name, lambda change: (change.old, change.new)):
        yield _value_line(row, palette)
    facts, changed = rows(report)
    yield from (palette.paint("changed", f"~ {fact.text}") for fact in facts)
    yield from table(changed, palette)
    for name, owner in comparison.tied:
        yield palette.paint("changed", f"= {quoted(name)}  tied to {quoted(owner)}")
    for name, owner in comparison.untied:
        yield palette.paint("changed", f"≠ {quoted(name)}  no longer tied to {quoted(owner)}")
    if len(changed) > 1:
        yield from _heat(report)
    yield palette.paint("frag", summary(comparison, report.opaque))
    yield from (palette.paint("dim", f"({printable(note)})") for note in report.notes)


def table(changed: Sequence[Row], palette: Palette, flat: bool = False) -> Iterator[str]:
    """Rows with their columns aligned: with full names while they are few, else as a tree of modules."""
    few = flat or len(changed) <= _FLAT
    found = [Branch(0, row.name, row) for row in changed] if few else list(branches(changed))
    labels = ["  " * branch.depth + quoted(branch.label) for branch in found]
    inside = [label for label, branch in zip(labels, found, strict=True) if branch.row]
    name_width = min(_MAX_NAME, max(map(len, inside), default=0))
    what_width = min(_MAX_WHAT, max((len(row.what) for row in changed), default=0))
    for label, branch in zip(labels, found, strict=True):
        if branch.row:
            yield _line(branch.row, label.ljust(name_width), branch.row.what.ljust(what_width), palette)
        else:
            yield f"  {label}"


def joined(texts: Iterable[str]) -> str:
    """Lines as one text."""
    return "".join(f"{text}\n" for text in texts)


def _line(row: Row, label: str, what: str, palette: Palette) -> str:
    slot = {"-": "old", "+": "new"}.get(row.sign, "changed")
    name = label.rstrip()
    head = palette.paint(slot, f"{row.sign} {name}") + label[len(name) :]
    count = f"({len(row.entries)} groups)" if len(row.entries) > 1 else ""
    moved = [] if row.furthest is None else [bar(row.furthest)]
    cells = [what, *moved, *measures(row), row.remark, palette.paint("dim", count)]
    return f"{head}  {'  '.join(filter(None, cells))}".rstrip()


def _heat(report: Report) -> Iterator[str]:
    width = shutil.get_terminal_size().columns
    grids = [list(drawn(grid, width)) for grid in heat_maps(report)]
    for grid in grids:
        yield from grid
    if any(grids):
        yield LEGEND


def _value_line(row: Fold[ValueChange], palette: Palette) -> str:
    name, change = quoted(row.name), row.items[0]
    count = palette.paint("dim", f"  ({len(row.items)} values)") if len(row.items) > 1 else ""
    if change.old is None:
        return palette.paint("new", f"+ {name}  {value_text(change.new or '')}") + count
    if change.new is None:
        return palette.paint("old", f"- {name}  {value_text(change.old)}") + count
    return palette.paint("changed", f"~ {name}  {value_text(change.old)} -> {value_text(change.new)}") + count
