"""What the full-screen menu shows, as lines of styled text. Pure; nothing is told by colour alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.printable import printable
from theta_merge.decide import described_state
from theta_merge.decide import side_name
from theta_merge.menu.cells import cells
from theta_merge.menu.cells import cut
from theta_merge.menu.cells import filled
from theta_merge.menu.cells import right
from theta_merge.menu.facts import percent
from theta_merge.menu.screen import Mode
from theta_merge.menu.screen import Screen
from theta_merge.menu.tree import Row
from theta_merge.report import counted
from theta_merge.report import what_happened

Line = list[tuple[str, str]]
"""pieces of one line: style class and text"""

KEYS = {
    Mode.BROWSE: "↑↓ move  ←→ fold  Enter choose  a choose for all shown  / filter  k kind  o reopen  u undo  "
    "r redo  w save recipe  ? help  q done",
    Mode.FILTER: "type a glob or a part of a name  Enter keep  Esc clear",
    Mode.CHOOSE: "↑↓ move  Enter take  e options  p preview  Esc back",
    Mode.OPTIONS: "type NAME=VALUE...  Enter take  Esc back",
    Mode.SAVE: "type a file name  Enter write  Esc back",
    Mode.HELP: "any key: back",
}

HELP = """\
Every line is a parameter group or a value that both sides changed, or a module that holds some.

  ✓  settled; the arrow points to what was chosen
  ·  still a conflict

  ours, theirs   how far each side moved it since the common ancestor
  cosine         1: both moved the same way, 0: unrelated, -1: against each other
                 (estimates from sketches, no value was read)

Choose with Enter for the line under the cursor: a group, or all groups of a module.
Filter with / and press a to choose for everything that is shown.
q ends. What is not settled stays a conflict, and no choice is lost."""


def text(screen: Screen, width: int, height: int) -> list[Line]:
    """The whole screen: title, tree or list, and a footer with what the keys do."""
    head: list[Line] = [_title(screen, width), _state(screen, width)]
    foot = list(_footer(screen, width))
    room = max(height - len(head) - len(foot), 1)
    if screen.mode is Mode.HELP:
        body: list[Line] = [[("", line)] for line in _help(width)]
    elif screen.mode in (Mode.CHOOSE, Mode.OPTIONS):
        body = _window(list(_choosing(screen, width)), screen.picked + len(screen.targets[:3]) + 2, room)
    else:
        body = _tree(screen, width, room)
    blank: Line = []
    return [*head, *body[:room], *[blank] * (room - len(body)), *foot]


def _help(width: int) -> Iterator[str]:
    for line in HELP.splitlines():
        yield from textwrap.wrap(line, width, subsequent_indent="     ") or [""]


def _title(screen: Screen, width: int) -> Line:
    progress = screen.session.progress
    return [("class:title", filled(f" {screen.title}", width - len(progress) - 2) + progress + "  ")]


def _state(screen: Screen, width: int) -> Line:
    parts = []
    if screen.pattern:
        parts.append(f"filter: {screen.pattern}")
    if screen.kind:
        parts.append(f"only: {screen.kind}")
    if len(screen.shown) < len(screen.conflicts):
        parts.append(f"{len(screen.shown)} of {len(screen.conflicts)} shown")
    told = ", ".join(parts) or f"{counted(screen.session.conflicts)} in conflict"
    return [("class:dim", cut(f" {told}", width))]


def _tree(screen: Screen, width: int, room: int) -> list[Line]:
    """The rows around the cursor, in columns, below the columns' names."""
    room -= 1
    cursor = min(screen.cursor, max(len(screen.rows) - 1, 0))
    first = max(0, min(cursor - room // 2, len(screen.rows) - room))
    visible = screen.rows[first : first + room]
    facts = [_facts(screen, row) for row in visible]
    columns = [found for found in facts if len(found) > 1]
    names = _column_names(len(columns[0])) if columns else ()
    widths = [max(map(cells, column)) for column in zip(names, *columns, strict=True)] if columns else []
    choices = [_choice(screen, row) for row in visible]
    chosen = min(max(map(cells, choices), default=0), width // 3)
    labels = [_label(screen, row) for row in visible]
    taken = 5 + (chosen + 2 if chosen else 0) + sum(widths) + 2 * len(widths)
    label = min(max(map(cells, labels), default=0), max(width // 3, width - taken))
    head = f"{'':{label + 3}}  {'':{chosen + 2 if chosen else 0}}{_columns(names, widths)}"
    lines: list[Line] = [[("class:dim", cut(head, width))]]
    for place, (row, name, choice, found) in enumerate(zip(visible, labels, choices, facts, strict=True), start=first):
        done = sum(name in screen.settled for name in row.names)
        mark = "✓" if done == len(row.names) else "·"
        start = f"{'>' if place == cursor else ' '}{mark} {filled(name, label)}  "
        middle = f"{filled(choice, chosen)}  " if chosen else ""
        rest = _columns(found, widths) if len(found) > 1 else found[0] if found else f"{done}/{len(row.names)}"
        style = "class:selected" if place == cursor else "class:settled" if mark == "✓" else ""
        lines.append([(style, filled(start + middle + rest, width))])
    return lines


def _label(screen: Screen, row: Row) -> str:
    sign = "" if row.leaf else ("+ " if row.key in screen.folded else "- ")
    return printable(f"{'  ' * row.depth}{sign}{row.label}")


def _choice(screen: Screen, row: Row) -> str:
    one = screen.settled.get(row.key) if row.leaf else None
    return f"→ {one}" if one else ""


def _facts(screen: Screen, row: Row) -> tuple[str, ...]:
    """What is known of a group, column by column; one text where it does not fit the columns; nothing of a module."""
    if not row.leaf:
        return ()
    conflict = screen.conflicts[row.key]
    if conflict.kind != "both-changed" or conflict.is_value:
        return (what_happened(conflict),)
    facts = screen.facts(conflict)
    shape = next(described_state(state) for state in conflict.sides if state is not None)
    changes = [percent(change) if change is not None else "?" for change in facts.changes]
    return (shape, *changes, f"{facts.cosine:.2f}" if facts.cosine is not None else "?")


def _column_names(count: int) -> tuple[str, ...]:
    sides = ("ours", "theirs") if count == 4 else tuple(map(side_name, range(count - 2)))
    return ("", *sides, "cosine")


def _columns(texts: Sequence[str], widths: Sequence[int]) -> str:
    """The first column begins at its left end, all others end at their right."""
    placed = [
        (filled if index == 0 else right)(text, room)
        for index, (text, room) in enumerate(zip(texts, widths, strict=True))
    ]
    return "  ".join(placed)


def _choosing(screen: Screen, width: int) -> Iterator[Line]:
    """The targets and what could be done with them."""
    count = len(screen.targets)
    yield [("class:dim", cut(f" how shall {'this' if count == 1 else f'these {count}'} be settled?", width))]
    for target in screen.targets[:3]:
        facts = screen.facts(target).text
        yield [("", cut(f"   {target.name}: {what_happened(target)}  {facts}", width))]
    if count > 3:
        yield [("class:dim", f"   ... and {count - 3} more")]
    yield []
    for index, strategy in enumerate(screen.offered):
        selected = index == screen.picked
        line = f"{'>' if selected else ' '} {strategy.name:<18} {strategy.summary}"
        yield [("class:selected" if selected else "", filled(line, width))]


def _footer(screen: Screen, width: int) -> Iterator[Line]:
    if screen.mode in (Mode.CHOOSE, Mode.OPTIONS) and screen.strategy:
        yield [("class:dim", cut(f" {screen.strategy.formula}", width))]
        yield [("class:dim", cut(f" use it when {screen.strategy.when}", width))]
        options = "  ".join(f"{option.name}={option.default}" for option in screen.strategy.options)
        yield [("class:dim", cut(f" options: {options or 'none'}", width))]
    if screen.mode in (Mode.FILTER, Mode.OPTIONS, Mode.SAVE):
        yield [("class:input", cut(f" {screen.mode.value}> {screen.text}_", width))]
    yield [("class:message", cut(f" {screen.message}", width))]
    yield from ([("class:keys", line)] for line in _wrapped(KEYS[screen.mode], width))


def _wrapped(keys: str, width: int) -> Iterator[str]:
    """Keys and what they do, never broken in the middle."""
    line = ""
    for part in keys.split("  "):
        if line and len(line) + len(part) + 3 > width:
            yield line
            line = ""
        line += f" {part} "
    yield line


def _window(lines: list[Line], place: int, room: int) -> list[Line]:
    """As many lines as there is room for, with the line at ``place`` among them."""
    first = max(0, min(place - room // 2, len(lines) - room))
    return lines[first:]
