"""The full-screen menu as data: what is selected, filtered, folded and typed. Pure; every key gives a new screen."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import Any

from strategies.contract import MergeError
from strategies.contract import Strategy
from theta_merge.choices import Choice
from theta_merge.choices import choice
from theta_merge.choices import options_of
from theta_merge.decide import Decision
from theta_merge.menu.facts import Told
from theta_merge.menu.session import Session
from theta_merge.menu.session import strategies_for
from theta_merge.menu.tree import Row
from theta_merge.menu.tree import rows
from theta_merge.recipe import matches
from theta_merge.report import counted

KINDS = (None, "open", "both-changed", "both-added", "changed-deleted", "values")
"""what the kind filter goes through; ``open`` shows what is not settled yet, ``values`` what is no tensor"""


LONGEST = 100
"""lines of help or options, at most"""


class Mode(Enum):
    """What the keys mean."""

    BROWSE = "browse"
    FILTER = "filter"
    CHOOSE = "choose"
    OPTIONS = "options"
    SAVE = "save"
    HELP = "help"


@dataclass(frozen=True)
class Screen:
    """Everything that is shown."""

    title: str
    session: Session
    facts: Told
    mode: Mode = Mode.BROWSE
    cursor: int = 0
    """row of the tree"""
    folded: frozenset[str] = frozenset()
    pattern: str = ""
    """glob on names, or a part of them"""
    kind: str | None = None
    everything: bool = False
    """the choice is for all rows that are shown, not for the row under the cursor"""
    picked: int = 0
    """which of the strategies offered"""
    scroll: int = 0
    """lines of help or options that have scrolled away"""
    text: str = ""
    """what is typed in the current mode"""
    message: str = ""

    @cached_property
    def conflicts(self) -> dict[str, Decision]:
        """Every conflict by name."""
        return {conflict.name: conflict for conflict in self.session.conflicts}

    @cached_property
    def settled(self) -> dict[str, Choice]:
        """The choices that stand."""
        return self.session.choices

    @cached_property
    def shown(self) -> list[str]:
        """The names that pass the filters."""
        return [name for name, one in self.conflicts.items() if self._is_kind(one) and matches(name, self._filter)]

    @property
    def _filter(self) -> str:
        """The pattern as a glob."""
        if any(sign in self.pattern for sign in "*?[{"):
            return self.pattern
        return f"*{self.pattern}*" if self.pattern else "*"

    @cached_property
    def rows(self) -> list[Row]:
        """The tree as it is shown."""
        return rows(self.shown, self.folded)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[min(self.cursor, len(self.rows) - 1)] if self.rows else None

    @cached_property
    def targets(self) -> list[Decision]:
        """The conflicts that a choice is for."""
        names = self.shown if self.everything else self.row.names if self.row else ()
        return [self.conflicts[name] for name in names]

    @cached_property
    def offered(self) -> list[Strategy]:
        """The strategies that fit every target; if none does, those that fit some."""
        fitting = strategies_for(self.targets)
        some = {found.name: found for target in self.targets[:1] for found in strategies_for([target])}
        return fitting or list(some.values())

    @property
    def strategy(self) -> Strategy | None:
        """The strategy that is picked."""
        return self.offered[self.picked] if self.offered else None

    def _is_kind(self, conflict: Decision) -> bool:
        if self.kind == "open":
            return conflict.name not in self.settled
        if self.kind == "values":
            return conflict.is_value
        return self.kind in (None, conflict.kind)

    def moved(self, step: int) -> Screen:
        """With the cursor, or what is picked, ``step`` lines further."""
        if self.mode is Mode.CHOOSE:
            return self._kept(picked=_within(self.picked + step, len(self.offered)), message="")
        if self.mode in (Mode.HELP, Mode.OPTIONS):
            return self._kept(scroll=_within(self.scroll + step, LONGEST))
        return self._kept(cursor=_within(self.cursor + step, len(self.rows)), message="")

    def _kept(self, **changes: Any) -> Screen:
        """With changes on which nothing depends that takes long to find out: of 20,000 groups, most of it is kept."""
        found = replace(self, **changes)
        kept = {"conflicts", "settled", "shown", "rows", *(("targets", "offered") if "cursor" not in changes else ())}
        vars(found).update({name: value for name, value in vars(self).items() if name in kept})
        return found

    def with_folded(self, fold: bool) -> Screen:
        """With the module under the cursor folded or unfolded; a group folds the module it is in."""
        row = self.row
        if row is None:
            return self
        if row.leaf and fold:
            place = next((i for i in range(self.cursor, -1, -1) if self.rows[i].depth < row.depth), self.cursor)
            return replace(self, cursor=place)
        return replace(self, folded=self.folded | {row.key} if fold else self.folded - {row.key})

    def with_kind(self) -> Screen:
        """With the next kind of conflict shown."""
        return replace(self, kind=KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)], cursor=0, message="")

    def in_mode(self, mode: Mode, text: str = "") -> Screen:
        """With the keys meaning something else."""
        return replace(self, mode=mode, text=text, scroll=0, message="")

    def told(self, message: str) -> Screen:
        """With a message."""
        return self._kept(message=message)

    def typed(self, text: str) -> Screen:
        """With another text in the input line; a filter takes effect at once."""
        if self.mode is Mode.FILTER:
            return replace(self, text=text, pattern=text, cursor=0, message="")
        return replace(self, text=text, message="")

    def choosing(self, everything: bool) -> Screen:
        """Choosing a strategy for the row under the cursor, or for all that is shown."""
        found = replace(self, everything=everything, mode=Mode.CHOOSE, picked=0, message="")
        if not found.targets:
            return replace(self, message="there is nothing here to settle")
        return found

    def chosen(self) -> Screen:
        """With the picked strategy and the typed options taken for the targets."""
        one = self.choice()
        names = [target.name for target in self.targets]
        session = self.session.choose(names, one, self._glob())
        count = len(session.steps[-1].names)
        left = f"; it does not fit {len(names) - count}" if count < len(names) else ""
        told = f"{one} for {counted([self.conflicts[name] for name in session.steps[-1].names])}{left}"
        if not session.open:
            told += "; everything is settled: q goes on"
        return replace(self, session=session, mode=Mode.BROWSE, text="", everything=False, message=told)

    def choice(self) -> Choice:
        """The picked strategy with the typed options; raises :class:`MergeError`."""
        if self.strategy is None:
            raise MergeError("no strategy fits")
        return choice(self.strategy.name, options_of(self.text.split()), self.session.sides)

    def _glob(self) -> str | None:
        """The glob that says what the targets have in common, for the recipe."""
        row = self.row
        if self.kind or row is None:
            return None
        if self.everything:
            return self._filter
        return None if row.leaf or self.pattern else f"{glob.escape(row.key)}*"

    def reopened(self) -> Screen:
        """With the row under the cursor open again."""
        if self.row is None:
            return self
        return replace(self, session=self.session.choose(self.row.names, None), message="open again")

    def undone(self) -> Screen:
        """Without the last choice."""
        return replace(self, session=self.session.undo(), message="undone")

    def redone(self) -> Screen:
        """With the last choice taken again."""
        return replace(self, session=self.session.redo(), message="done again")


def _within(index: int, count: int) -> int:
    return max(0, min(index, count - 1))
