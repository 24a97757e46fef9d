"""The tree of conflicts as a table: what was chosen for each, and what each side did. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.printable import printable
from theta_merge.decide import described_state
from theta_merge.decide import side_name
from theta_merge.menu.body import Body
from theta_merge.menu.body import Line
from theta_merge.menu.cells import cells
from theta_merge.menu.cells import cut
from theta_merge.menu.cells import filled
from theta_merge.menu.cells import right
from theta_merge.menu.facts import estimate
from theta_merge.menu.screen import Screen
from theta_merge.menu.tree import Row
from theta_merge.report import each_side
from theta_merge.report import what_happened

FEW = 3
"""rows that have no names of columns above them"""
SHAPE = "shape"
"""the column that gives way where there is no room"""
NOTHING = "nothing matches: k shows other kinds, Esc clears the filter"


def tree(screen: Screen, width: int, room: int) -> Body:
    """The rows around the cursor, below the columns' names where there is room for these."""
    if not screen.rows:
        return Body([[], [("class:dim", cut(f"   {NOTHING}", width))]])
    headed = room > FEW
    room = room - 1 if headed else room
    cursor = min(screen.cursor, len(screen.rows) - 1)
    first = max(0, min(cursor - room // 2, len(screen.rows) - room))
    table = _table([_entry(screen, row) for row in screen.rows[first : first + room]], width)
    head: list[Line] = [[("class:dim", cut(table.head, width))]] if headed else []
    rows = (_line(line, first + index == cursor, width) for index, line in enumerate(table.lines))
    return Body([*head, *rows], first, max(0, len(screen.rows) - first - room))


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is said of a row."""

    settled: bool
    label: str
    choice: str = ""
    columns: tuple[str, ...] = ()
    """what is known of a group that both sides changed"""
    told: str = ""
    """of anything else"""


@dataclass(frozen=True)
class _Table:
    """Entries beside each other."""

    entries: Sequence[_Entry]
    names: tuple[str, ...]
    """of the columns"""
    label: int
    """cells for labels"""
    choice: int
    """cells for choices"""

    @property
    def head(self) -> str:
        """The columns' names, but for that of the first, which needs none."""
        names = self._columns(tuple("" if name == SHAPE else name for name in self.names))
        return f"{'':{self.label + 3}}  {'':{self.choice + 2 if self.choice else 0}}{names}"

    @property
    def lines(self) -> Iterator[tuple[bool, str]]:
        """Whether it is settled, and its text, of each entry."""
        for entry in self.entries:
            choice = f"{filled(entry.choice, self.choice)}  " if self.choice else ""
            rest = self._columns(entry.columns) if entry.columns else entry.told
            yield entry.settled, f"{'✓' if entry.settled else '·'} {filled(entry.label, self.label)}  {choice}{rest}"

    @property
    def width(self) -> int:
        """The cells of a whole line."""
        choice = self.choice + 2 if self.choice else 0
        return 3 + self.label + choice + sum(self._widths) + 2 * len(self._widths)

    @property
    def _widths(self) -> list[int]:
        columns = [entry.columns for entry in self.entries if entry.columns]
        return [max(map(cells, column)) for column in zip(self.names, *columns, strict=True)] if columns else []

    def _columns(self, texts: Sequence[str]) -> str:
        """Shapes begin at the left end of their column, numbers end at the right end of theirs."""
        triples = zip(self.names, texts, self._widths, strict=True)
        return "  ".join((filled if name == SHAPE else right)(text, room) for name, text, room in triples)

    def without_shapes(self) -> _Table:
        """More room for the rest."""
        shorter = [replace(entry, columns=entry.columns[1:]) for entry in self.entries]
        return replace(self, entries=shorter, names=self.names[1:])


def _table(entries: Sequence[_Entry], width: int) -> _Table:
    """The entries in ``width`` cells: ends of long labels give way first, then shapes, then ends of all labels."""
    count = max(len(entry.columns) for entry in entries)
    choice = min(max(cells(entry.choice) for entry in entries), width // 3)
    longest = max(cells(entry.label) for entry in entries)
    table = _Table(entries, _column_names(count), min(longest, width // 2), choice)
    if table.names and table.width > width:
        table = table.without_shapes()
    return replace(table, label=min(longest, max(width // 3, table.label + width - table.width)))


def _column_names(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (SHAPE, *map(side_name, range(count - 2)), "cosine")


def _line(line: tuple[bool, str], selected: bool, width: int) -> Line:
    settled, text = line
    style = "class:selected" if selected else "class:settled" if settled else ""
    return [(style, filled(f"{'>' if selected else ' '}{text}", width))]


def _entry(screen: Screen, row: Row) -> _Entry:
    if not row.leaf:
        done = sum(name in screen.settled for name in row.names)
        label = f"{'  ' * row.depth}{'+' if row.key in screen.folded else '-'} {row.label}"
        return _Entry(done == len(row.names), printable(label), told=f"{done}/{len(row.names)}")
    one = screen.settled.get(row.key)
    entry = _Entry(one is not None, printable(f"{'  ' * row.depth}{row.label}"), f"→ {one}" if one else "")
    conflict = screen.conflicts[row.key]
    shape, *others = {described_state(state) for state in conflict.sides}
    if conflict.kind != "both-changed" or conflict.is_value:
        return replace(entry, told=what_happened(conflict))
    if others:
        return replace(entry, told=each_side(conflict))
    facts = screen.facts(conflict)
    changes = [estimate(change) if change is not None else "?" for change in facts.changes]
    cosine = f"{facts.cosine:.2f}" if facts.cosine is not None else "?"
    return replace(entry, columns=(shape, *changes, cosine))
