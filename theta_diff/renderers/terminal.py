"""The diff as lines for a terminal or a pager: signs and words say all, colour only repeats it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import printable
from theta_diff.compare import ValueChange
from theta_diff.folding import Fold
from theta_diff.folding import folded
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.heatmap import LEGEND
from theta_diff.renderers.heatmap import bar
from theta_diff.renderers.heatmap import drawn
from theta_diff.renderers.heatmap import heat_maps
from theta_diff.renderers.rows import Row
from theta_diff.renderers.rows import measures
from theta_diff.renderers.rows import rows
from theta_diff.renderers.rows import summed_up
from theta_diff.renderers.tree import MODULE
from theta_diff.renderers.tree import branches
from theta_diff.report import Report
from theta_diff.wording import value_text

_MIN_NAME, _MAX_NAME, _MAX_WHAT = 24, 72, 32
_BESIDE = 48
"""columns that most rows take beside their names"""
_FLAT = 8
"""rows up to which each stands with its full name, easy to grep and to copy"""
_NO_LIMIT = 1 << 30


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
    yield palette.paint("frag", summed_up(report))
    yield from (palette.paint("dim", f"({printable(note)})") for note in report.notes)


def table(changed: Sequence[Row], palette: Palette, flat: bool = False) -> Iterator[str]:
    """Rows with their columns aligned: with full names while these are few and fit, else as a tree of modules."""
    width = _width()
    found = [_Line("", quoted(row.name), row) for row in changed]
    if not flat and (len(changed) > _FLAT or max(map(_needed, found), default=0) > width):
        smallest = MODULE if len(changed) > _FLAT else 2
        found = [_Line("  " * branch.depth, quoted(branch.label), branch.row) for branch in branches(changed, smallest)]
    inside = [len(line.indent + line.label) for line in found if line.row]
    widest = _MAX_NAME if flat else min(_MAX_NAME, max(_MIN_NAME, width - _BESIDE))
    name_width = min(widest, max(inside, default=0))
    what_width = min(_MAX_WHAT, max((len(row.what) for row in changed), default=0))
    for line in found:
        if line.row:
            yield _drawn(line, line.row, (name_width, what_width), palette, width)
        else:
            yield f"  {line.indent}{line.label}"


def joined(texts: Iterable[str]) -> str:
    """Lines as one text."""
    return "".join(f"{text}\n" for text in texts)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the table: a row, or the name of a module."""

    indent: str
    label: str
    row: Row | None


def _width() -> int:
    """Columns of the terminal, or of the pager as git tells them; without either a line may be of any length."""
    return shutil.get_terminal_size((_NO_LIMIT, 0)).columns or _NO_LIMIT


def _needed(line: _Line) -> int:
    """Columns that a row takes without what can be left out."""
    row = line.row
    return len("  ".join([f"~ {line.label}", row.what, *_bar(row), *list(measures(row))[:1]])) if row else 0


def _bar(row: Row) -> list[str]:
    return [] if row.furthest is None else [bar(row.furthest)]


def _drawn(line: _Line, row: Row, widths: tuple[int, int], palette: Palette, width: int) -> str:
    """A row as text; where the terminal is too narrow, without the measures that say least."""
    name_width, what_width = widths
    told = list(measures(row))
    count = f"({len(row.entries)} groups)" if len(row.entries) > 1 else ""
    name, what = (line.indent + line.label).ljust(name_width), row.what.ljust(what_width)
    cells = [cell for cell in (name, what, *_bar(row), *told, row.remark, count) if cell]
    for least in (*reversed(told[1:]), count):
        if least in cells and len("  ".join(cells).rstrip()) + 2 > width:
            cells.remove(least)
    slot = {"-": "old", "+": "new"}.get(row.sign, "changed")
    head = palette.paint(slot, f"{row.sign} {name.rstrip()}") + name[len(name.rstrip()) :]
    rest = [palette.paint("dim", cell) if cell == count else cell for cell in cells[1:]]
    return "  ".join([head, *rest]).rstrip()


def _heat(report: Report) -> Iterator[str]:
    width = _width()
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
