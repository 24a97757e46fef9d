"""A session: the choices a user makes, step by step, with undo and redo. Pure; every menu shows one."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property

from strategies.contract import MergeError
from strategies.contract import Strategy
from strategies.registry import built_in_strategies
from theta_merge.adapters import factor_obstacle
from theta_merge.adapters import is_factor
from theta_merge.choices import Choice
from theta_merge.choices import choice
from theta_merge.choices import obstacle
from theta_merge.decide import Decision
from theta_merge.recipe import Recipe
from theta_merge.recipe import Rule
from theta_merge.recipe import Wanted
from theta_merge.recipe import matches


@dataclass(frozen=True)
class Step:
    """One thing the user did."""

    names: tuple[str, ...]
    """the groups it settles"""
    choice: Choice | None
    """None: open again"""
    pattern: str | None = None
    """the glob that was typed, if one was"""


@dataclass(frozen=True)
class Session:
    """What was done so far; every change is a new session."""

    conflicts: tuple[Decision, ...]
    steps: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()
    """what redo brings back, the next one last"""

    @property
    def sides(self) -> int:
        """How many versions are merged."""
        return len(self.conflicts[0].sides) if self.conflicts else 2

    @cached_property
    def choices(self) -> dict[str, Choice]:
        """The choice that stands for each settled group."""
        found: dict[str, Choice | None] = {}
        for step in self.steps:
            found.update(dict.fromkeys(step.names, step.choice))
        return {name: one for name, one in found.items() if one}

    @cached_property
    def open(self) -> list[Decision]:
        """The conflicts without a choice."""
        settled = self.choices
        return [conflict for conflict in self.conflicts if conflict.name not in settled]

    @property
    def progress(self) -> str:
        """``2 / 3 settled``."""
        return f"{len(self.conflicts) - len(self.open)} / {len(self.conflicts)} settled"

    def choose(self, names: Iterable[str], one: Choice | None, pattern: str | None = None) -> Session:
        """Settle these groups so; those that it does not fit are left as they are.

        Raises :class:`MergeError` where it fits none of them.
        """
        wanted = set(names)
        conflicts = [conflict for conflict in self.conflicts if conflict.name in wanted]
        whys = {conflict.name: _obstacle(one, conflict) if one else None for conflict in conflicts}
        fitting = tuple(name for name, why in whys.items() if why is None)
        if not fitting:
            name, why = next(iter(whys.items()), (pattern or "", "no conflict has this name"))
            raise MergeError(f"{name}: {why}")
        return replace(self, steps=(*self.steps, Step(fitting, one, pattern)), undone=())

    def choose_matching(self, pattern: str, one: Choice | None) -> Session:
        """Settle every conflict that a glob matches."""
        return self.choose((c.name for c in self.conflicts if matches(c.name, pattern)), one, pattern)

    def undo(self) -> Session:
        """Without the last step."""
        if not self.steps:
            raise MergeError("there is nothing to undo")
        return replace(self, steps=self.steps[:-1], undone=(*self.undone, self.steps[-1]))

    def redo(self) -> Session:
        """With the step that was undone last."""
        if not self.undone:
            raise MergeError("there is nothing to redo")
        return replace(self, steps=(*self.steps, self.undone[-1]), undone=self.undone[:-1])

    def recipe(self) -> Recipe:
        """The choices as rules that give the same again; the newest come first, as the first rule counts."""
        rules: list[Rule] = []
        covered: set[str] = set()
        standing = self.choices
        for step in reversed(self.steps):
            names = [name for name in step.names if name not in covered]
            covered.update(names)
            if step.choice and any(name in standing for name in names):
                match = (step.pattern,) if step.pattern else tuple(map(_escaped, names))
                rules.append(Rule(match, Wanted(step.choice.strategy.name, step.choice.given)))
        return Recipe(tuple(rules))


def resumed(conflicts: Sequence[Decision], choices: Mapping[str, Choice]) -> Session:
    """A session that goes on where an earlier one ended."""
    session = Session(tuple(conflicts))
    names: dict[str, list[str]] = {}
    for name, one in choices.items():
        names.setdefault(str(one), []).append(name)
    for chosen in names.values():
        with contextlib.suppress(MergeError):
            session = session.choose(chosen, choices[chosen[0]])
    return session


def strategies_for(conflicts: Sequence[Decision]) -> list[Strategy]:
    """The built-in strategies that can settle each of these conflicts with their default options.

    Values among parameter groups do not count: a strategy for the groups leaves them as they are. One that merges
    products is offered where there are factors, before those that would average them one by one; for other groups it
    is another strategy's twin.
    """
    sides = len(conflicts[0].sides) if conflicts else 2
    asked = [conflict for conflict in conflicts if not conflict.is_value] or conflicts
    found = []
    for strategy in built_in_strategies():
        try:
            one = choice(strategy.name, {}, sides)
        except MergeError:
            continue
        if strategy.products and not any(is_factor(conflict.name, one) for conflict in asked):
            continue
        if all(_obstacle(one, conflict) is None for conflict in asked):
            found.append(strategy)
    return sorted(found, key=lambda strategy: (not strategy.selects, not strategy.products))


def _obstacle(one: Choice, conflict: Decision) -> str | None:
    return factor_obstacle(conflict) if is_factor(conflict.name, one) else obstacle(one, conflict)


def _escaped(name: str) -> str:
    return glob.escape(name).replace("{", "[{]").replace("}", "[}]")
