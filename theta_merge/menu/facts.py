"""Facts: how far each side moved a conflicting group and in which direction, from sketches alone.

They are estimates (about 9 %) and are shown as such, with ≈. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from theta_checkpoint.manifest import Tensor
from theta_checkpoint.printable import percent
from theta_merge.decide import Decision
from theta_merge.decide import State
from theta_merge.decide import side_name
from theta_store.sketches import Sketch
from theta_store.sketches import changes_cosine


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sketches of one conflict tell."""

    changes: tuple[float | None, ...]
    """L2 distance of each side from base, relative to base's norm; None where it is not known"""
    cosine: float | None = None
    """between the changes of the two sides that changed it; of more, the least of any two"""

    @property
    def text(self) -> str:
        """``ours ≈ 2.1 %, theirs ≈ 40 %, cosine ≈ 0.31``; empty where nothing is known."""
        changes = enumerate(self.changes)
        parts = [f"{side_name(side)} {estimate(change)}" for side, change in changes if change is not None]
        if self.cosine is not None:
            parts.append(f"cosine ≈ {self.cosine:.2f}")
        return ", ".join(parts)


Told = Callable[[Decision], Facts]
"""what is known of a conflict, found out where it is shown: of 20,000 groups, a screen shows few"""


def facts(conflict: Decision, sketches: Mapping[str, Sketch]) -> Facts:
    """What is known of a conflict; ``sketches`` are by digest. Versions of another shape cannot be compared."""
    base = _sketch(conflict.base, sketches)
    sides = [_sketch(state, sketches) if same_shape(state, conflict.base) else None for state in conflict.sides]
    changes = tuple(relative(base, side) for side in sides)
    moved = [side for index in conflict.changed if (side := sides[index])]
    found = (changes_cosine(base, *pair) for pair in combinations(moved, 2)) if base else ()
    return Facts(changes, min((cosine for cosine in found if cosine is not None), default=None))


def relative(base: Sketch | None, side: Sketch | None) -> float | None:
    """Estimated distance between two versions relative to the norm of the first."""
    if base is None or side is None or not base.norm:
        return None
    return base.distance(side) / base.norm


def estimate(share: float) -> str:
    """``≈ 2.1 %``; that nothing changed is known exactly."""
    return f"≈ {percent(share)}" if share else percent(share)


def same_shape(state: State, other: State) -> bool:
    """Whether both are tensors, of one shape."""
    return isinstance(state, Tensor) and isinstance(other, Tensor) and state.shape == other.shape


def _sketch(state: State, sketches: Mapping[str, Sketch]) -> Sketch | None:
    return sketches.get(state.digest) if isinstance(state, Tensor) else None
