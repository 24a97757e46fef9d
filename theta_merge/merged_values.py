"""What becomes of the values (epoch, learning rate, metadata): they follow the three-way rules, or are conflicts. Pure.

No strategy averages a value. Where one was chosen, ours stands and a note says so; but what the manifest shows
only as a digest, such as an array pickled among the values, is never given up unless somebody said whose stands.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.layout import Value
from theta_merge.choices import Choice
from theta_merge.choices import obstacle
from theta_merge.decide import BASE
from theta_merge.decide import Decision
from theta_merge.decide import Open
from theta_merge.decide import described_state
from theta_merge.decide import side_name

WAY_OUT = "take all values of one side: git theta resolve PATH --values ours|theirs"


@dataclass(frozen=True)
class MergedValues:
    """The values of a merge."""

    wanted: Mapping[str, Value]
    """as they shall be, by name; a value that is not among them shall be gone"""
    chosen: Mapping[str, int]
    """whose version of a conflict that is: the number of a side, -1 for base"""
    open: tuple[Open, ...]
    """conflicts that remain; :attr:`wanted` has ours for them"""
    notes: tuple[str, ...]
    """which conflicts ended without anybody having chosen"""


def merged_values(decisions: Iterable[Decision], choices: Mapping[str, Choice], preferred: int | None) -> MergedValues:
    """The values under these choices; ``preferred`` is the side that stands where none was made, if one was named."""
    wanted: dict[str, Value] = {}
    chosen: dict[str, int] = {}
    still_open: list[Open] = []
    notes: list[str] = []
    for decision in decisions:
        choice = choices.get(decision.name)
        why = obstacle(choice, decision) if choice else None
        side = (preferred or 0) if decision.side is None else decision.side
        if decision.side is None and choice and not why:
            side = {"base": BASE, "ours": 0}.get(str(choice.strategy.selects), len(decision.sides) - 1)
        elif decision.side is None and preferred is None and (choice is None or is_hidden(decision)):
            still_open.append(Open(decision, why))
        elif decision.side is None:
            notes.append(f"value {decision.name}: {sides_text(decision)}; {side_name(side)} is kept")
        state = decision.base if side == BASE else decision.sides[side]
        if isinstance(state, Value):
            wanted[decision.name] = state
        if decision.side is None:
            chosen[decision.name] = side
    return MergedValues(wanted, chosen, tuple(still_open), tuple(notes))


def given_up(
    decisions: Iterable[Decision], lost: Collection[str], whose: str, why: str, preferred: int | None
) -> tuple[list[Open], list[str]]:
    """What to say of values that the merged file cannot have: conflicts, and notes for what may give way."""
    still_open: list[Open] = []
    notes: list[str] = []
    for decision in decisions:
        if decision.name in lost and preferred is None and is_hidden(decision):
            still_open.append(Open(decision, f"{why}; {WAY_OUT}"))
        elif decision.name in lost:
            notes.append(f"value {decision.name}: {sides_text(decision)}; it follows {whose} ({why})")
    return still_open, notes


def is_hidden(decision: Decision) -> bool:
    """Whether some version is more than the manifest shows: an array, a long list, an object; a long text is not."""
    states = [state for state in (decision.base, *decision.sides) if isinstance(state, Value)]
    return any(" blake3:" in state.text and not state.text.startswith("str[") for state in states)


def sides_text(decision: Decision) -> str:
    """``base 3, ours 4, theirs 5``."""
    labels: Sequence[str] = ("base", *map(side_name, range(len(decision.sides))))
    states = (decision.base, *decision.sides)
    return ", ".join(f"{label} {described_state(state)}" for label, state in zip(labels, states, strict=True))
