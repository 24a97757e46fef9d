"""Choices: which strategy settles a conflict, and whether it can. Pure; no value is read here."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from strategies.contract import MergeError
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.given_options import check_sides
from strategies.given_options import parse_options
from strategies.registry import implied_options
from strategies.registry import strategy
from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.manifest import Tensor
from theta_merge.decide import Decision
from theta_merge.decide import described_state
from theta_merge.decide import side_name

ROWS = "rows"
"""``rows=common``: of tensors that one side gave more or fewer rows, merge the rows that all versions have"""


@dataclass(frozen=True)
class Choice:
    """A strategy with its options, as the user gave them and as they are understood."""

    strategy: Strategy
    options: Options
    given: Mapping[str, object]

    @property
    def side_files(self) -> tuple[str, ...]:
        """The files given for the strategy's side data, one per side: ``fisher=OURS_FILE,THEIRS_FILE``."""
        files = self.given.get(self.strategy.side_data or "", ())
        return tuple(files.split(",")) if isinstance(files, str) else tuple(map(str, files))  # type: ignore[call-overload]

    def __str__(self) -> str:
        return " ".join((self.strategy.name, *(f"{name}={value}" for name, value in self.given.items())))

    def as_json(self) -> dict[str, object]:
        """The choice as recipes and records write it."""
        return {"strategy": self.strategy.name, "options": dict(self.given)}


def choice(name: str, given: Mapping[str, object], sides: int) -> Choice:
    """The choice of a strategy by name for merges of ``sides`` versions; raises :class:`MergeError`."""
    found = strategy(name)
    given = {**options_of(implied_options(name)), **given}
    if given.get(ROWS, "common") != "common":
        raise MergeError(f"option 'rows' takes common, not {given[ROWS]!r}")
    own = {key: value for key, value in given.items() if key not in (found.side_data, ROWS)}
    options = parse_options(found, own)
    check_sides(found, options, sides)
    return Choice(found, options, given)


def options_of(words: Sequence[str]) -> dict[str, object]:
    """Options given as ``name=value`` (``name`` alone means true); raises :class:`MergeError`."""
    given: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise MergeError(f"options are given as NAME=VALUE, not {word!r}")
        given[name] = value if equals else "true"
    return given


def obstacle(choice: Choice, conflict: Decision) -> str | None:
    """Why this choice cannot settle this conflict; None if it can, as far as can be told without values."""
    if choice.strategy.selects == "base" and conflict.base is None:
        return "there is no common ancestor to go back to"
    if choice.strategy.selects:
        return None
    if conflict.is_value:
        return "a value is never averaged; take one side"
    states = [state for side in conflict.changed if (state := conflict.sides[side]) is not None]
    if len(states) < len(conflict.changed):
        gone = next(side_name(side) for side in conflict.changed if conflict.sides[side] is None)
        return f"{gone} deleted it; take one side"
    tensors = [state for state in (conflict.base, *states) if isinstance(state, Tensor)]
    if len(tensors) < len(states) + (conflict.base is not None):
        return "tied differently on each side; take one side"
    if choice.strategy.survey(choice.options) and None in conflict.sides:
        return f"{choice.strategy.name} needs every side to have it"
    if choice.strategy.needs_base and conflict.base is None:
        return f"{choice.strategy.name} needs the common ancestor, which lacks it"
    if len({tensor.shape for tensor in tensors}) > 1 and not (ROWS in choice.given and resized_side(conflict)):
        return _shapes(conflict, tensors)
    odd = next((tensor.dtype for tensor in tensors if DTYPES[tensor.dtype].kind != "float"), None)
    if odd and DTYPES[odd].kind == "complex":
        return f"{odd} values are complex, and strategies merge real numbers; take one side"
    return f"{odd} values are never averaged; take one side" if odd else None


def resized_side(conflict: Decision) -> Tensor | None:
    """The one side that has another number of rows than base and all other sides; None where it is not so."""
    base = conflict.base
    sides = [state for state in conflict.sides if isinstance(state, Tensor)]
    if not isinstance(base, Tensor) or not base.shape or len({state.shape[1:] for state in (base, *sides)}) > 1:
        return None
    resized = [state for state in sides if state.shape != base.shape]
    return resized[0] if len(resized) == 1 else None


def _shapes(conflict: Decision, tensors: Sequence[Tensor]) -> str:
    shapes = f"the shapes differ: {' and '.join(dict.fromkeys(map(described_state, tensors)))}"
    hint = ", or merge the common rows with -X rows=common" if resized_side(conflict) else ""
    return f"{shapes}; take one side{hint}"
