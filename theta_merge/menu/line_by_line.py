"""The menu as plain lines, for terminals that are small or dumb: one question per conflict."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from strategies.contract import MergeError
from strategies.contract import Strategy
from strategies.document import SYMBOLS
from strategies.document import help_of
from strategies.document import shown_default
from strategies.registry import strategy
from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import printable
from theta_merge.choices import choice
from theta_merge.choices import options_of
from theta_merge.decide import Decision
from theta_merge.menu.cells import cut
from theta_merge.menu.cells import wrapped
from theta_merge.menu.facts import Told
from theta_merge.menu.preview import Preview
from theta_merge.menu.session import Session
from theta_merge.menu.session import strategies_for
from theta_merge.menu.terminal import Terminal
from theta_merge.recipe import save
from theta_merge.report import counted
from theta_merge.report import what_happened

SHOWN = 5
"""strategies listed unasked"""
HELP = """\
  NUMBER or NAME [OPTION=VALUE]...   settle this group, e.g.: 4   or: average weights=0.7,0.3
  ... for GLOB                       the same for all that match, e.g.: average for encoder.*
  preview NUMBER or NAME ...         compute how far the result would be from each version
  skip        leave this group for later
  undo, redo  take back the last choice, or take it again
  save FILE   write the choices as a recipe
  list        all strategies that fit this group
  help NAME   describe a strategy and its options
  quit        stop here; what is not settled stays a conflict, and no choice is lost"""


class _Quit(Exception):
    """The user has had enough."""


@dataclass
class LineMenu:
    """One conversation."""

    title: str
    session: Session
    facts: Told
    preview: Preview
    terminal: Terminal
    message: str = ""
    """what the user should know first"""
    skipped: frozenset[str] = frozenset()

    def run(self) -> Session:
        """Ask until everything is settled, skipped or the user quits; the session as it is then."""
        self.terminal.say(printable(f"{self.title}: {counted(self.session.conflicts)} in conflict"))
        if self.message:
            self.terminal.say(printable(self.message))
        try:
            self._confirm()
            told: Decision | None = None
            while conflict := self._next():
                if conflict is not told:
                    self._tell(conflict)
                self._ask(conflict)
                told = conflict
        except _Quit:
            pass
        self.terminal.say(self.session.progress)
        return self.session

    def _confirm(self) -> None:
        """Offer what was chosen before for these very conflicts."""
        if not self.session.steps:
            return
        for name, one in self.session.choices.items():
            self.terminal.say(printable(f"  {name}: {one}"))
        answer = self.terminal.ask("this is how they were settled last time; do it again? [Y/n] > ")
        if answer is None:
            raise _Quit
        if answer.lower().startswith("n"):
            self.session = Session(self.session.conflicts)

    def _next(self) -> Decision | None:
        return next((conflict for conflict in self.session.open if conflict.name not in self.skipped), None)

    def _tell(self, conflict: Decision) -> None:
        """What is known of a conflict, and what could be done."""
        number = 1 + [one.name for one in self.session.conflicts].index(conflict.name)
        head = f"[{number}/{len(self.session.conflicts)}] {conflict.name}: {what_happened(conflict)}"
        self.terminal.say(f"\n{printable(head)}")
        if text := self.facts(conflict).text:
            self.terminal.say(f"      {text}")
        self._list(strategies_for([conflict]), SHOWN)

    def _ask(self, conflict: Decision) -> None:
        line = self.terminal.ask("number or name [for GLOB], preview, skip, undo, quit, ? > ")
        if line is None:
            raise _Quit
        try:
            self._do(line, conflict, strategies_for([conflict]))
        except (Failure, MergeError, OSError, ValueError) as error:
            self.terminal.say(f"  {printable(str(error))}")

    def _list(self, fitting: Sequence[Strategy], count: int) -> None:
        for index, one in enumerate(fitting[:count], start=1):
            self.terminal.say(cut(f"  {index:>3}  {one.name:<17} {one.summary}", self.terminal.width - 1))
        if len(fitting) > count:
            self.terminal.say(f"       and {len(fitting) - count} more; see them with: list")

    def _do(self, line: str, conflict: Decision, fitting: Sequence[Strategy]) -> None:
        match shlex.split(line):
            case [] | ["?"] | ["help"]:
                self.terminal.say(HELP)
            case ["l" | "list"]:
                self._list(fitting, len(fitting))
            case ["help", name]:
                for line in about(_named(name, fitting)):
                    self.terminal.say("\n".join(wrapped(line, self.terminal.width - 1, "        ")))
            case ["q" | "quit"]:
                raise _Quit
            case ["s" | "skip"]:
                self.skipped |= {conflict.name}
            case ["u" | "undo"]:
                self.session = self.session.undo()
            case ["r" | "redo"]:
                self.session = self.session.redo()
            case ["save", file]:
                save(self.session.recipe(), file)
                self.terminal.say(f"  wrote {file}")
            case ["p" | "preview", name, *options]:
                one = choice(_named(name, fitting), options_of(options), self.session.sides)
                told = self.preview(conflict, one, self.terminal.progress)
                self.terminal.say(f"\r  {printable(f'{one}: {told}'):<40}")
            case [name, *options, "for", pattern]:
                self._choose(name, options, pattern, conflict, fitting)
            case [name, *options]:
                self._choose(name, options, None, conflict, fitting)

    def _choose(
        self, name: str, options: Sequence[str], pattern: str | None, conflict: Decision, fitting: Sequence[Strategy]
    ) -> None:
        one = choice(_named(name, fitting), options_of(options), self.session.sides)
        if pattern is None:
            self.session = self.session.choose([conflict.name], one)
        else:
            self.session = self.session.choose_matching(pattern, one)
            settled = self.session.steps[-1].names
            told = counted([conflict for conflict in self.session.conflicts if conflict.name in settled])
            self.terminal.say(f"  {one} for {told}")


def _named(text: str, fitting: Sequence[Strategy]) -> str:
    """The strategy that a number or a name stands for."""
    if not text.isdigit():
        return text
    if not 1 <= int(text) <= len(fitting):
        raise MergeError(f"there is no number {text}; the list goes from 1 to {len(fitting)}")
    return fitting[int(text) - 1].name


def about(name: str) -> Iterator[str]:
    """A strategy and its options, a line each."""
    found = strategy(name)
    yield from (
        f"  {found.name}: {found.summary}",
        f"  {found.formula}",
        f"  ({SYMBOLS})",
        f"  use it when {found.when}",
    )
    yield from (f"    {o.name}={shown_default(o.default)}  {help_of(o)}. Takes {o.domain}." for o in found.options)
