"""Decide: which version of every parameter group and value stands, and which need a strategy. Pure.

Where only one side changed a thing since base, that side's version stands; where all that changed agree, so
does theirs; whatever is left is a conflict. A thing that is absent is a version too, so added and deleted
need no rules of their own. With two sides that reads::

    base == ours    -> theirs         added on one side              -> added
    base == theirs  -> ours           deleted, unchanged elsewhere   -> deleted
    ours == theirs  -> ours           the rest                       -> conflict
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Value
from theta_checkpoint.layout import element_count
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import described

BASE = -1
"""stands for the common ancestor where a side's number stands for a side"""
State = Tensor | Alias | Value | None
"""What one version says of a name; None where it does not have it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the three-way rules say of one name."""

    name: str
    kind: str
    """``unchanged``, ``changed``, ``added``, ``deleted``, or a conflict: ``both-changed``, ``both-added``,
    ``changed-deleted``"""
    side: int | None
    """whose version stands (0 is ours); None for a conflict"""
    base: State
    sides: tuple[State, ...]

    @property
    def changed(self) -> tuple[int, ...]:
        """The sides that differ from base."""
        return tuple(i for i, state in enumerate(self.sides) if state != self.base)

    @property
    def is_value(self) -> bool:
        """Whether it is about a value, not a parameter group."""
        return any(isinstance(state, Value) for state in (self.base, *self.sides))

    def as_json(self) -> dict[str, object]:
        """The decision as JSON writes it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "side": None if self.side is None else side_name(self.side),
            "base": _state_json(self.base),
            "sides": [_state_json(state) for state in self.sides],
        }


@dataclass(frozen=True, slots=True)
class Open:
    """A name that is still a conflict."""

    conflict: Decision
    why: str | None = None
    """why the choice made for it does not settle it; None where none was made"""


def side_name(side: int) -> str:
    """How messages and files call a side."""
    return ("ours", "theirs")[side] if side < 2 else f"side-{side + 1}"


def decided_groups(base: Manifest | None, sides: Sequence[Manifest]) -> list[Decision]:
    """One decision per parameter group and tied name, sorted by name."""
    versions = [_tensors(version) for version in (base, *sides)]
    decisions = []
    for name in sorted(set().union(*versions)):
        first, *rest = _untied([version.get(name) for version in versions], (base, *sides))
        decisions.append(_decision(name, first, rest))
    return decisions


def decided_values(base: Manifest | None, sides: Sequence[Manifest]) -> list[Decision]:
    """One decision per value (epoch, learning rate, metadata), sorted by name."""
    first = base.values if base else {}
    names = sorted(set(first).union(*(side.values for side in sides)))
    return [_decision(name, first.get(name), [side.values.get(name) for side in sides]) for name in names]


def _decision(name: str, base: State, sides: Sequence[State]) -> Decision:
    changes = [side for side in sides if side != base]
    if not changes:
        return Decision(name, "unchanged", 0, base, tuple(sides))
    if all(change == changes[0] for change in changes):
        return Decision(name, _change(base, changes[0]), sides.index(changes[0]), base, tuple(sides))
    return Decision(name, _conflict(base, changes), None, base, tuple(sides))


def _change(base: State, state: State) -> str:
    if base is None:
        return "added"
    return "deleted" if state is None else "changed"


def _conflict(base: State, changes: Sequence[State]) -> str:
    if base is None:
        return "both-added"
    return "changed-deleted" if None in changes else "both-changed"


def _tensors(version: Manifest | None) -> Mapping[str, Tensor | Alias]:
    return {**version.groups, **version.aliases} if version else {}


def _untied(
    states: Sequence[Tensor | Alias | None], versions: Sequence[Manifest | None]
) -> list[Tensor | Alias | None]:
    """The states of one name; where some version has it as a tensor of its own, ties are read as tensors too."""
    if not any(isinstance(state, Tensor) for state in states):
        return list(states)
    return [
        own_tensor(state, version) if isinstance(state, Alias) and version else state
        for state, version in zip(states, versions, strict=True)
    ]


def own_tensor(tied: Alias, manifest: Manifest) -> Tensor | Alias:
    """A tie to the whole of its owner as the tensor it would be on its own; any other tie as it is."""
    owner = manifest.groups.get(tied.owner)
    whole = owner and (owner.dtype, element_count(owner.shape)) == (tied.dtype, element_count(tied.shape))
    if not owner or not whole or tied.offset:
        return tied
    return Tensor(tied.name, tied.dtype, tied.shape, owner.digest, tied.strides)


def _state_json(state: State) -> object:
    match state:
        case Tensor():
            return {"dtype": state.dtype, "shape": list(state.shape), "digest": state.digest}
        case Alias():
            return {"dtype": state.dtype, "shape": list(state.shape), "tied_to": state.owner}
        case Value():
            return state.text
        case None:
            return None


def described_state(state: State) -> str:
    """A version in a few words: ``F32[768,768]``, ``tied to wte.weight``, ``3``, ``list[624] blake3:c98ad7bc…``,
    ``absent``.
    """
    match state:
        case Tensor():
            return described(state)
        case Alias():
            return f"{described(state)} tied to {state.owner}"
        case Value():
            return re.sub(r"(blake3:[0-9a-f]{8})[0-9a-f]+", r"\1…", state.text)
        case None:
            return "absent"
