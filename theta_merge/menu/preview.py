"""Preview: how far the result of a choice would be from every version, computed but not stored."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from theta_checkpoint.manifest import Tensor
from theta_merge.choices import Choice
from theta_merge.commits import BesideInCommits
from theta_merge.decide import Decision
from theta_merge.decide import side_name
from theta_merge.engine import computer
from theta_merge.fetching import objects_to_read
from theta_merge.menu.facts import estimate
from theta_merge.menu.facts import relative
from theta_merge.menu.facts import same_shape
from theta_merge.outcome import BASE
from theta_merge.outcome import Computed
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome
from theta_merge.settle import readable
from theta_merge.side_data import side_data
from theta_store.sketches import Sketch
from theta_store.sketches import Sketcher
from theta_store.store import Store

Tell = Callable[[str], None]
"""shows how far it is; raises to stop it"""
Preview = Callable[[Decision, Choice, Tell], str]
"""what a choice would give, in a line"""


@dataclass(frozen=True)
class Previewer:
    """Computes previews for one merge."""

    versions: Versions
    sketches: Mapping[str, Sketch]
    store: Store
    locate: BesideInCommits

    def __call__(self, conflict: Decision, choice: Choice, tell: Tell) -> str:
        """``≈ 2 % from base, ≈ 1.4 % from ours, ...``; raises what computing and ``tell`` raise.

        What the merge would have to fetch for this group is fetched, and kept.
        """
        if conflict.is_value:
            return "a value is taken as it is"
        wanted = outcome(self.versions, {conflict.name: choice})
        group = wanted.groups[conflict.name]
        if isinstance(group, Computed):
            tell("computing ...")
            if why := self.locate.brought(objects_to_read(wanted), partial(_count, tell)):
                return why
            tell("computing ...")
            result: Sketch | None = self._computed(group)
        else:
            result = self.sketches.get(group.state.digest) if isinstance(group.state, Tensor) else None
        if result is None:
            return "nothing is known of it"
        labels = ("base", *map(side_name, range(len(conflict.sides))))
        states = (conflict.base, *conflict.sides)
        distances = (
            (label, relative(self.sketches.get(state.digest), result))
            for label, state in zip(labels, states, strict=True)
            if isinstance(state, Tensor) and same_shape(state, group.state)
        )
        told = (f"{estimate(share)} from {label}" for label, share in distances if share is not None)
        return ", ".join(told) or "how far it is from each version is not known: their sketches are not here"

    def _computed(self, group: Computed) -> Sketch:
        checkpoints = [
            readable(version, self.store) if (version := self.versions[i]) else None
            for i in (*range(len(self.versions.sides)), BASE)
        ]
        with side_data([group.choice], len(self.versions.sides), self.locate) as data:
            sketcher = Sketcher(group.state.dtype)
            for chunk in computer(checkpoints, data, self.locate).surveyed([group]).chunks(group):
                sketcher.update(chunk)
        return sketcher.sketch()


def _count(tell: Tell, done: int, total: int) -> None:
    tell(f"fetching {done} of {total} objects ...")
