"""Outcome: what each name is after the merge, and into whose file that fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property

from theta_checkpoint.layout import Alias
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.new_structure import CannotWrite
from theta_merge.adapters import factor_obstacle
from theta_merge.adapters import is_factor
from theta_merge.adapters import merged_rank
from theta_merge.adapters import pair
from theta_merge.adapters import paired
from theta_merge.choices import Choice
from theta_merge.choices import obstacle
from theta_merge.choices import resized_side
from theta_merge.decide import BASE as BASE
from theta_merge.decide import Decision
from theta_merge.decide import Open
from theta_merge.decide import decided_groups
from theta_merge.decide import decided_values
from theta_merge.decide import side_name
from theta_merge.frame import Frame
from theta_merge.frame import Skeletons
from theta_merge.frame import format_notes
from theta_merge.frame import lacking
from theta_merge.frame import new_frame
from theta_merge.frame import side_frame
from theta_merge.frame import structure
from theta_merge.merged_values import MergedValues
from theta_merge.merged_values import given_up
from theta_merge.merged_values import merged_values


@dataclass(frozen=True)
class Versions:
    """The manifests that are merged."""

    base: Manifest | None
    sides: tuple[Manifest, ...]
    skeletons: Skeletons | None = field(default=None, compare=False)
    """where the skeletons are; without them, a new file has only what manifests say"""

    def __getitem__(self, version: int) -> Manifest | None:
        return self.base if version == BASE else self.sides[version]

    @cached_property
    def decisions(self) -> list[Decision]:
        """What the three-way rules say of every parameter group."""
        return decided_groups(self.base, self.sides)

    @cached_property
    def value_decisions(self) -> list[Decision]:
        """What they say of every value."""
        return decided_values(self.base, self.sides)

    @cached_property
    def conflicts(self) -> list[Decision]:
        """What they leave open: parameter groups, then values."""
        return [decision for decision in (*self.decisions, *self.value_decisions) if decision.side is None]

    @cached_property
    def to_compute(self) -> list[Decision]:
        """What a strategy may be chosen for: the conflicts and, of one side alone, every group that it changed."""
        alone = [] if len(self.sides) > 1 else [decision for decision in self.decisions if decision.changed]
        return [*alone, *self.conflicts]

    def state(self, version: int, name: str) -> Tensor | Alias | None:
        """What a version says of a name, ties as ties."""
        manifest = self[version]
        return (manifest.groups.get(name) or manifest.aliases.get(name)) if manifest else None


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that is as one version has it."""

    version: int
    state: Tensor | Alias | None


@dataclass(frozen=True, slots=True)
class Computed:
    """A group that a strategy computes."""

    conflict: Decision
    choice: Choice
    state: Tensor
    """name, dtype, shape and strides of the result; its digest is not known yet"""


@dataclass(frozen=True)
class Outcome:
    """Everything that can be said of a merge before a value is read."""

    versions: Versions
    groups: Mapping[str, Taken | Computed]
    frame: Frame
    """the file that the values are poured into"""
    open: tuple[Open, ...]
    """conflicts that remain; :attr:`groups` has ours for them"""
    notes: tuple[str, ...] = field(default=())
    """what the user should know: values that gave way"""

    @property
    def computed(self) -> list[Computed]:
        """The groups for which values must be read, sorted by name."""
        return [group for _, group in sorted(self.groups.items()) if isinstance(group, Computed)]


def sides_of(group: Computed) -> tuple[int, ...]:
    """The sides that go to the strategy: those that changed, unless it wants all."""
    if group.choice.options["shortcuts"]:
        return group.conflict.changed
    return tuple(i for i, state in enumerate(group.conflict.sides) if state is not None)


def outcome(
    versions: Versions,
    choices: Mapping[str, Choice],
    preferred: int | None = None,
    refused: Mapping[str, str] | None = None,
) -> Outcome:
    """What the merge gives when conflicts are settled by ``choices`` (by name).

    ``preferred`` is the side whose file and values stand where that is not decided otherwise, if one was named;
    ``refused`` says why a choice turned out not to settle its group.
    """
    choices = paired(versions.decisions, choices)
    groups, unsettled = _groups(versions, choices, refused or {})
    values = merged_values(versions.value_decisions, choices, preferred)
    frame, misfits, why = _framed(groups, values, versions, preferred or 0)
    lost = lacking(values.wanted, frame.manifest.values)
    whose = side_name((preferred or 0) if frame.side is None else frame.side)
    stuck, notes = given_up(versions.value_decisions, lost, whose, why, preferred)
    return Outcome(
        versions,
        _restrided(groups, frame.manifest),
        frame,
        (*_by_name(*misfits, *unsettled), *_by_name(*values.open, *stuck)),
        (*values.notes, *notes, *format_notes(frame, versions.sides[preferred or 0])),
    )


def _groups(
    versions: Versions, choices: Mapping[str, Choice], refused: Mapping[str, str]
) -> tuple[dict[str, Taken | Computed], list[Open]]:
    """What every group becomes, and those that stay a conflict."""
    groups: dict[str, Taken | Computed] = {}
    unsettled: list[Open] = []
    for decision in versions.decisions:
        why = refused.get(decision.name)
        groups[decision.name], why = _settled(decision, versions, None if why else choices.get(decision.name), why)
        if decision.side is None and (why or decision.name not in choices):
            unsettled.append(Open(decision, why))
    return groups, unsettled


def _framed(
    groups: dict[str, Taken | Computed], values: MergedValues, versions: Versions, preferred: int
) -> tuple[Frame, list[Open], str]:
    """The file for the merged groups and values, and why it may lack some of these.

    Where there is none, ``groups`` gets the structure of ours, and what has to stay a conflict for it is told.
    """
    base, sides = versions.base, versions.sides
    states = {name: group.state for name, group in groups.items()}
    own = side_frame(states.values(), values.wanted, sides, base, preferred)
    if own and not lacking(values.wanted, own.manifest.values):
        return own, [], ""
    try:
        side = preferred if own is None or own.side is None else own.side
        new = new_frame(states, values, sides, base, side, versions.skeletons)
    except CannotWrite as error:
        if own:
            return own, [], str(error)
        return Frame(sides[0], 0), list(_kept_in_ours(groups, versions, str(error))), str(error)
    odd = lacking(values.wanted, new.manifest.values)
    why = f"{odd[0]}: it goes together with others" if odd else ""
    return (own if odd and own else new), [], why


def _by_name(*items: Open) -> list[Open]:
    """Sorted, and of several about one name the last."""
    return [item for _, item in sorted({item.conflict.name: item for item in items}.items())]


def _settled(
    decision: Decision, versions: Versions, choice: Choice | None, why: str | None
) -> tuple[Taken | Computed, str | None]:
    """What a name becomes; beside it, why the choice does not settle the conflict."""
    if choice and is_factor(decision.name, choice):
        why = _pair_obstacle(decision, versions)
        if why is None:
            return Computed(decision, choice, _factor_target(decision, choice)), None
    if decision.side is not None and (choice is None or len(versions.sides) > 1 or obstacle(choice, decision)):
        return Taken(decision.side, versions.state(decision.side, decision.name)), None
    why = why or (obstacle(choice, decision) if choice else None)
    if choice is None or why:
        return Taken(0, versions.state(0, decision.name)), why
    if selected := choice.strategy.selects:
        version = {"base": BASE, "ours": 0, "theirs": len(versions.sides) - 1}[selected]
        return Taken(version, versions.state(version, decision.name)), None
    return Computed(decision, choice, _target(decision)), None


def _pair_obstacle(factor: Decision, versions: Versions) -> str | None:
    """Why a factor and its partner cannot be merged: both can, or neither."""
    both = [decision for decision in versions.decisions if decision.name in pair(factor.name)]
    return next((why for decision in both if (why := factor_obstacle(decision))), None)


def _factor_target(decision: Decision, choice: Choice) -> Tensor:
    found = _target(decision)
    rank, (rows, columns) = merged_rank(decision, choice), found.shape
    shape = (rank, columns) if pair(decision.name)[0] == decision.name else (rows, rank)
    return Tensor(found.name, found.dtype, shape, "", None)


def _target(decision: Decision) -> Tensor:
    """The result's dtype is decided three-way like everything else; ours where each side has its own."""
    states = [state for state in decision.sides if isinstance(state, Tensor)]
    base = decision.base.dtype if isinstance(decision.base, Tensor) else None
    changed = list(dict.fromkeys(state.dtype for state in states if state.dtype != base))
    first = states[0]
    dtype = changed[0] if len(changed) == 1 else first.dtype
    resized = resized_side(decision)
    return Tensor(decision.name, dtype, resized.shape if resized else first.shape, "", first.strides)


def _kept_in_ours(groups: dict[str, Taken | Computed], versions: Versions, why: str) -> Iterable[Open]:
    """Bring ``groups`` back to the structure of ours; yield what has to stay a conflict for it."""
    decisions = {decision.name: decision for decision in versions.decisions}
    for name, group in list(groups.items()):
        ours = versions.state(0, name)
        if structure([group.state]) != structure([ours]):
            groups[name] = Taken(0, ours)
            yield Open(decisions[name], f"no file can hold the merged groups ({why}); take one side")


def _restrided(groups: Mapping[str, Taken | Computed], frame: Manifest) -> dict[str, Taken | Computed]:
    """Computed groups in the storage order of the file they are poured into."""
    placed: dict[str, Taken | Computed] = {}
    for name, group in groups.items():
        if isinstance(group, Computed):
            state = group.state
            strides = frame.groups[name].strides
            group = Computed(
                group.conflict, group.choice, Tensor(name, state.dtype, state.shape, state.digest, strides)
            )
        placed[name] = group
    return placed
