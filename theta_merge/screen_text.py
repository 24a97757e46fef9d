"""What the full-screen menu shows, as lines of styled text. Pure; nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Iterator

from theta_merge.decide import described_state
from theta_merge.facts import percent
from theta_merge.report import what_happened
from theta_merge.screen import Mode
from theta_merge.screen import Screen
from theta_merge.tree import Row

Line = list[tuple[str, str]]
"""pieces of one line: style class and text"""

KEYS = {
    Mode.BROWSE: "↑↓ move  ←→ fold  Enter choose  a choose for all shown  / filter  k kind  o reopen  u undo  "
    "r redo  v values  w save recipe  ? help  q done",
    Mode.FILTER: "type a glob or a part of a name  Enter keep  Esc clear",
    Mode.CHOOSE: "↑↓ move  Enter take  e options  p preview  Esc back",
    Mode.OPTIONS: "type NAME=VALUE...  Enter take  Esc back",
    Mode.SAVE: "type a file name  Enter write  Esc back",
    Mode.HELP: "any key: back",
}

HELP = """\
Every line is a parameter group that both sides changed, or a module that holds some.

  ✓  settled; the strategy stands at the end of the line
  ·  still a conflict

  ours, theirs   how far each side moved it since the common ancestor
  cosine         1: both moved the same way, 0: unrelated, -1: against each other
                 (estimates from sketches, no value was read)

Choose with Enter for the line under the cursor: a group, or all groups of a module.
Filter with / and press a to choose for everything that is shown.
q ends. What is not settled stays a conflict, and no choice is lost."""


def text(screen: Screen, width: int, height: int) -> list[Line]:
    """The whole screen: title, tree or list, and a footer with what the keys do."""
    head: list[Line] = [_title(screen, width), _state(screen)]
    foot = list(_footer(screen, width))
    room = max(height - len(head) - len(foot), 1)
    if screen.mode is Mode.HELP:
        body: list[Line] = [[("", line)] for line in HELP.splitlines()]
    elif screen.mode in (Mode.CHOOSE, Mode.OPTIONS):
        body = _window(list(_choosing(screen, width)), screen.picked + len(screen.targets[:3]) + 1, room)
    else:
        body = _tree(screen, width, room)
    blank: Line = []
    return [*head, *body[:room], *[blank] * (room - len(body)), *foot]


def _title(screen: Screen, width: int) -> Line:
    progress = screen.session.progress
    return [("class:title", f" {screen.title}".ljust(width - len(progress) - 2) + progress + "  ")]


def _state(screen: Screen) -> Line:
    parts = []
    if screen.pattern:
        parts.append(f"filter: {screen.pattern}")
    if screen.kind:
        parts.append(f"only: {screen.kind}")
    if len(screen.shown) < len(screen.conflicts):
        parts.append(f"{len(screen.shown)} of {len(screen.conflicts)} shown")
    if screen.mode is Mode.BROWSE:
        parts.append("change of ours, change of theirs, cosine of the two")
    return [("class:dim", " " + ", ".join(parts))]


def _tree(screen: Screen, width: int, room: int) -> list[Line]:
    cursor = min(screen.cursor, max(len(screen.rows) - 1, 0))
    first = max(0, min(cursor - room // 2, len(screen.rows) - room))
    visible = screen.rows[first : first + room]
    labels = [_label(screen, row) for row in visible]
    room = min(max(map(len, labels), default=0), width // 2)
    return [_row(screen, row, first + i == cursor, room, width) for i, row in enumerate(visible)]


def _label(screen: Screen, row: Row) -> str:
    sign = "" if row.leaf else ("+ " if row.key in screen.folded else "- ")
    return f"{'  ' * row.depth}{sign}{row.label}"


def _row(screen: Screen, row: Row, selected: bool, room: int, width: int) -> Line:
    done = sum(name in screen.settled for name in row.names)
    mark = "✓" if done == len(row.names) else "·"
    head = f"{'>' if selected else ' '}{mark} {_cut(_label(screen, row), room):<{room}}  "
    rest = _leaf(screen, row) if row.leaf else f"{done}/{len(row.names)}"
    style = "class:selected" if selected else "class:settled" if mark == "✓" else ""
    return [(style, (head + _cut(rest, width - len(head))).ljust(width))]


def _leaf(screen: Screen, row: Row) -> str:
    conflict = screen.conflicts[row.key]
    facts = screen.facts[row.key]
    if conflict.kind == "both-changed":
        shown = [state for state in conflict.sides if state is not None]
        columns = [described_state(shown[0])]
        columns += [percent(change) for change in facts.changes if change is not None]
        if facts.cosine is not None:
            columns.append(f"cos {facts.cosine:.2f}")
    else:
        columns = [what_happened(conflict)]
    if one := screen.settled.get(row.key):
        columns.insert(0, f"→ {one}")
    return "  ".join(columns)


def _choosing(screen: Screen, width: int) -> Iterator[Line]:
    """The targets and what could be done with them."""
    for target in screen.targets[:3]:
        facts = screen.facts[target.name].text
        yield [("", _cut(f"  {target.name}: {what_happened(target)}  {facts}", width))]
    if len(screen.targets) > 3:
        yield [("class:dim", f"  ... and {len(screen.targets) - 3} more")]
    yield []
    for index, strategy in enumerate(screen.offered):
        selected = index == screen.picked
        line = f"{'>' if selected else ' '} {strategy.name:<18} {strategy.summary}"
        yield [("class:selected" if selected else "", _cut(line, width).ljust(width))]


def _footer(screen: Screen, width: int) -> Iterator[Line]:
    if screen.mode in (Mode.CHOOSE, Mode.OPTIONS) and screen.strategy:
        yield [("class:dim", _cut(f" {screen.strategy.formula}", width))]
        options = "  ".join(f"{option.name}={option.default}" for option in screen.strategy.options)
        yield [("class:dim", _cut(f" options: {options or 'none'}", width))]
    if screen.mode in (Mode.FILTER, Mode.OPTIONS, Mode.SAVE):
        yield [("class:input", f" {screen.mode.value}> {screen.text}_")]
    yield [("class:message", _cut(f" {screen.message}", width))]
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


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
