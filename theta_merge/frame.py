"""Frame: the file that the merged values are poured into. Pure.

One side's own file, where the merged groups are exactly its groups; else a new one, which the format's writer
lays out.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from blake3 import blake3

from theta_checkpoint import skeleton
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import TiedTensor
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.skeleton import Segment
from theta_merge.decide import decided_values

State = Tensor | TiedTensor | None


@dataclass(frozen=True)
class Frame:
    """A file without its tensor bytes."""

    manifest: Manifest
    """format, groups (their digests do not count), ties, values and skeleton"""
    side: int | None
    """whose file it is; None for a new one"""
    segments: tuple[Segment, ...] = ()
    """of a new file"""


def side_frame(
    states: Iterable[State], sides: Sequence[Manifest], base: Manifest | None, preferred: int
) -> Frame | None:
    """The file of a side whose groups and ties are the merged ones, whatever their values.

    Where several fit: the preferred one if it changed what is no tensor since base, else the first that did.
    """
    wanted = structure(states)
    fitting = [
        side
        for side, manifest in enumerate(sides)
        if structure((*manifest.groups.values(), *manifest.aliases.values())) == wanted
    ]
    if not fitting:
        return None
    changed = [side for side in fitting if not base or sides[side].skeleton != base.skeleton]
    best = preferred if preferred in (changed or fitting) else (changed or fitting)[0]
    return Frame(sides[best], best)


def structure(states: Iterable[State]) -> set[object]:
    """What has to agree for values to fit into a file."""
    return {
        (state.name, state.dtype, state.shape) if isinstance(state, Tensor) else state
        for state in states
        if state is not None
    }


def new_frame(states: Mapping[str, State], sides: Sequence[Manifest], base: Manifest | None, preferred: int) -> Frame:
    """A new file, of the preferred side's format, with these groups and ties and the merged values.

    Raises :class:`CannotWrite` where the format cannot express them.
    """
    groups = [replace(state, strides=None) for _, state in sorted(states.items()) if isinstance(state, Tensor)]
    ties = [state for _, state in sorted(states.items()) if isinstance(state, TiedTensor)]
    _check_owners(ties, groups, sides)
    values = merged_values(base, sides, preferred)
    format, segments = _written(sides[preferred].format, groups, ties, values)
    manifest = Manifest(
        format=format,
        groups={group.name: group for group in groups},
        aliases={tie.name: tie for tie in ties},
        values={value.name: value for value in values},
        skeleton=blake3(skeleton.encoded(segments)).hexdigest(),
        recipes={},
    )
    return Frame(manifest, None, tuple(segments))


def merged_values(base: Manifest | None, sides: Sequence[Manifest], preferred: int) -> list[Value]:
    """The values by the three-way rules; the preferred side's where several changed them."""
    found = []
    for decision in decided_values(base, sides):
        value = decision.sides[preferred if decision.side is None else decision.side]
        if isinstance(value, Value):
            found.append(value)
    return found


def _check_owners(ties: Sequence[TiedTensor], groups: Sequence[Tensor], sides: Sequence[Manifest]) -> None:
    """A tie keeps its meaning only while its owner is the tensor it was."""
    merged = structure(groups)
    for tie in ties:
        owners = [side.groups[tie.owner] for side in sides if tie in side.aliases.values() and tie.owner in side.groups]
        if not owners or not structure(owners) <= merged:
            raise CannotWrite(f"{tie.name}: it is tied to {tie.owner}, which is not what it was")


def _written(
    format: str, groups: Sequence[Tensor], ties: Sequence[TiedTensor], values: Sequence[Value]
) -> tuple[str, list[Segment]]:
    match format:
        case "safetensors":
            from theta_checkpoint.formats import safetensors

            return format, safetensors.written(groups, ties, values)
        case "pytorch-zip" | "pytorch-legacy":
            from theta_checkpoint.formats import pytorch_zip

            return pytorch_zip.NAME, pytorch_zip.written(groups, ties, values)
    raise CannotWrite(f"no new file of format {format} can be written")
