"""What the full-screen menu shows, as lines of styled text. Pure; nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace

from strategies.contract import Strategy
from strategies.document import SYMBOLS
from strategies.document import help_of
from strategies.document import shown_default
from theta_merge.menu.body import Body
from theta_merge.menu.body import Line
from theta_merge.menu.body import around
from theta_merge.menu.body import scrolled
from theta_merge.menu.cells import cells
from theta_merge.menu.cells import cut
from theta_merge.menu.cells import filled
from theta_merge.menu.cells import wrapped
from theta_merge.menu.screen import Mode
from theta_merge.menu.screen import Screen
from theta_merge.menu.tree_text import tree
from theta_merge.report import counted
from theta_merge.report import what_happened

TARGETS = 3
"""conflicts that are named where a strategy is chosen for them, and lines for what is known of one"""
LEAST = 3
"""lines of the tree, however small the screen is"""
MESSAGE = 2
"""lines of a message"""
SUMMARY = 21
"""the column where a strategy's summary begins"""
KEYS = {
    Mode.BROWSE: "↑↓ move  ←→ fold  Enter choose  a choose for all shown  / filter  k kind  o reopen  u undo  "
    "r redo  w save recipe  ? help  q done",
    Mode.FILTER: "type a glob or a part of a name  Enter keep  Esc clear",
    Mode.CHOOSE: "↑↓ move  Enter take  e options  p preview  Esc back",
    Mode.OPTIONS: "type NAME=VALUE...  ↑↓ move  Enter take  Tab preview  Esc back",
    Mode.SAVE: "type a file name  Enter write  Esc back",
    Mode.HELP: "↑↓ move  any other key: back",
}

HELP = (
    """\
Each line is a parameter group or a value in conflict, or a module that
contains some.

  ✓  settled; the arrow points to what was chosen
  ·  still a conflict

  ours, theirs   how much each side changed it since the common ancestor
                 (L2 norm of the change over that of the ancestor)
  cosine         between these changes: 1 the same way, 0 unrelated, -1
                 against each other; of several sides, the least of any two
                 (≈ estimated from sketches: no value was read)

Enter chooses for the line under the cursor: a group, or a whole module.
/ filters by name, k by kind; a then chooses for everything that is shown.
q leaves. What is not settled stays a conflict, and no choice is lost.

In formulas: """
    + SYMBOLS
)


def text(screen: Screen, width: int, height: int) -> list[Line]:
    """The whole screen: title, tree or list, and a footer with what the keys do."""
    foot = _fitting(list(_footer(screen, width, height)), height - 2 - LEAST)
    room = max(height - 2 - len(foot), 1)
    body = _body(screen, width, room)
    blank: Line = []
    head = [_title(screen, width), _state(screen, body, width)]
    return [*head, *body.lines[:room], *[blank] * (room - len(body.lines)), *foot]


def _fitting(lines: Sequence[Line], room: int) -> Sequence[Line]:
    """The lines there is room for: empty ones give way first, then the last."""
    if len(lines) <= room:
        return lines
    return [line for line in lines if any(text for _, text in line)][: max(room, 0)]


def _body(screen: Screen, width: int, room: int) -> Body:
    if screen.mode is Mode.HELP:
        lines = (part for line in HELP.splitlines() for part in wrapped(line, width, "     "))
        return scrolled([[("", line)] for line in lines], screen.scroll, room)
    if screen.mode is Mode.OPTIONS:
        return scrolled([[("", line)] for line in _options(screen, width)], screen.scroll, room)
    if screen.mode is Mode.CHOOSE:
        targets = list(_targets(screen, width))[: room // 2]
        strategies = around(list(_strategies(screen, width)), screen.picked, max(room - len(targets), 1))
        return replace(strategies, lines=[*targets, *strategies.lines])
    return tree(screen, width, room)


def _title(screen: Screen, width: int) -> Line:
    progress = screen.session.progress
    return [("class:title", filled(f" {screen.title}", width - len(progress) - 2) + progress + "  ")]


def _state(screen: Screen, body: Body, width: int) -> Line:
    """What is shown, and at the right end how much more there is."""
    more = "  ".join(f"{sign} {count} more" for sign, count in (("↑", body.above), ("↓", body.below)) if count)
    return [("class:dim", filled(f" {_told(screen)}", width - len(more) - 2) + f"{more}  ")]


def _told(screen: Screen) -> str:
    if screen.mode in (Mode.CHOOSE, Mode.OPTIONS):
        count = len(screen.targets)
        how = f" by {screen.strategy.name}" if screen.mode is Mode.OPTIONS and screen.strategy else ""
        return f"how should {'this' if count == 1 else f'these {count}'} be settled{how}?"
    parts = []
    if screen.pattern:
        parts.append(f"filter: {screen.pattern}")
    if screen.kind:
        parts.append(f"only: {screen.kind}")
    if len(screen.shown) < len(screen.conflicts):
        parts.append(f"{len(screen.shown)} of {len(screen.conflicts)} shown")
    return ", ".join(parts) or f"{counted(screen.session.conflicts)} in conflict"


def _targets(screen: Screen, width: int) -> Iterator[Line]:
    """What is to be settled: one conflict with all that is known of it, or the first of several."""
    room = TARGETS if len(screen.targets) == 1 else 1
    for target in screen.targets[:TARGETS]:
        facts = screen.facts(target).text
        told = f"{target.name}: {what_happened(target)}{f'; {facts}' if facts else ''}"
        yield from ([("", line)] for line in wrapped(f"   {told}", width, "     ", room))
    if (more := len(screen.targets) - TARGETS) > 0:
        yield [("class:dim", f"   ... and {more} more")]
    yield []


def _strategies(screen: Screen, width: int) -> Iterator[Line]:
    """What could be done with the targets."""
    for index, strategy in enumerate(screen.offered):
        selected = index == screen.picked
        line = f"{'>' if selected else ' '} {strategy.name:<{SUMMARY - 3}} {strategy.summary}"
        yield [("class:selected" if selected else "", filled(line, width))]


def _options(screen: Screen, width: int) -> Iterator[str]:
    """The options of the picked strategy, with what they are for beside them."""
    options = screen.strategy.options if screen.strategy else ()
    if not options:
        yield "   it has no options"
    names = [f"   {option.name}={shown_default(option.default)}" for option in options]
    column = max(map(cells, names), default=0) + 2
    for name, option in zip(names, options, strict=True):
        told = f"{filled(name, column)}{help_of(option)}. Takes {option.domain}."
        yield from wrapped(told, width, " " * column)


def _described(strategy: Strategy, width: int) -> Iterator[str]:
    """What the list does not say of a strategy."""
    if len(strategy.summary) > width - SUMMARY:
        yield from wrapped(f" {strategy.summary}", width, "   ")
    options = ", ".join(option.name for option in strategy.options)
    for text in (strategy.formula, f"use it when {strategy.when}", f"options: {options or 'none'}"):
        yield from wrapped(f" {text}", width, "   ")


def _footer(screen: Screen, width: int, height: int) -> Iterator[Line]:
    """As high for every strategy, so that the list above stays where it is."""
    if screen.mode is Mode.CHOOSE and screen.strategy:
        needed = max(len(list(_described(strategy, width))) for strategy in screen.offered)
        room = min(needed + 1, max(height // 2 - 4, 3))
        lines = ["", *_described(screen.strategy, width)]
        if len(lines) > room:
            lines[room - 1 :] = [cut(f"{lines[room - 1]} {lines[room].lstrip()}", width)]
        yield from ([("class:dim", line)] for line in [*lines, *[""] * (room - len(lines))])
    if screen.mode in (Mode.FILTER, Mode.OPTIONS, Mode.SAVE):
        yield [("class:input", cut(f" {screen.mode.value}> {screen.text}_", width))]
    message = wrapped(f" {screen.message}", width, "   ", MESSAGE)
    room = MESSAGE if screen.mode in (Mode.CHOOSE, Mode.OPTIONS) else 1
    yield from ([("class:message", line)] for line in [*message, *[""] * (room - len(message))])
    yield from ([("class:keys", line)] for line in _keys(KEYS[screen.mode], width))


def _keys(keys: str, width: int) -> Iterator[str]:
    """Keys and what they do, never broken in the middle."""
    line = ""
    for part in keys.split("  "):
        if line and len(line) + len(part) + 3 > width:
            yield line
            line = ""
        line += f" {part} "
    yield line
