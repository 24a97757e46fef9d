"""Frame: the file that the merged values are poured into. Pure.

One side's own file, where the merged groups are exactly its groups; else a new one, which the format's writer
lays out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from blake3 import blake3

from theta_checkpoint import skeleton
from theta_checkpoint.failure import Failure
from theta_checkpoint.formats import layout_of
from theta_checkpoint.formats import pytorch_legacy
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.formats import safetensors
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import unstored
from theta_checkpoint.merged_pickle import ABSENT
from theta_checkpoint.merged_pickle import merged
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_tensors import NewTensors
from theta_checkpoint.skeleton import Blanked
from theta_checkpoint.skeleton import Segment
from theta_merge.merged_values import MergedValues

State = Tensor | Alias | None
Skeletons = Callable[[Manifest], bytes]
"""the skeleton's bytes of a version; may raise :class:`Failure`"""
PYTORCH = (pytorch_zip.NAME, pytorch_legacy.NAME)


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
    states: Iterable[State],
    values: Mapping[str, Value],
    sides: Sequence[Manifest],
    base: Manifest | None,
    preferred: int,
) -> Frame | None:
    """The file of a side whose groups and ties are the merged ones.

    Where several fit: the one with most of the merged values, above all of those that are more than a text; then
    the preferred one if it changed what is no tensor since base, else the first that did.
    """
    wanted = structure(states)
    fitting = [
        side
        for side, manifest in enumerate(sides)
        if structure((*manifest.groups.values(), *manifest.aliases.values())) == wanted
    ]
    if not fitting:
        return None

    def rank(side: int) -> tuple[int, int, bool, bool]:
        missing = lacking(values, sides[side].values)
        hidden = sum(name in values and " blake3:" in values[name].text for name in missing)
        unchanged = base is not None and sides[side].skeleton == base.skeleton
        return hidden, len(missing), unchanged, side != preferred

    best = min(fitting, key=rank)
    return Frame(sides[best], best)


def lacking(wanted: Mapping[str, Value], found: Mapping[str, Value]) -> list[str]:
    """The names of values that are not what they should be."""
    return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))


def structure(states: Iterable[State]) -> set[object]:
    """What has to agree for values to fit into a file."""
    return {
        (state.name, state.dtype, state.shape) if isinstance(state, Tensor) else state
        for state in states
        if state is not None
    }


def new_frame(
    states: Mapping[str, State],
    values: MergedValues,
    sides: Sequence[Manifest],
    base: Manifest | None,
    preferred: int,
    skeletons: Skeletons | None = None,
) -> Frame:
    """A new file, of the preferred side's format, with these groups and ties, and the merged values as far as can be.

    Raises :class:`CannotWrite` where no file can be exactly that.
    """
    groups = [state for _, state in sorted(states.items()) if isinstance(state, Tensor)]
    ties = [state for _, state in sorted(states.items()) if isinstance(state, Alias)]
    _check_owners(ties, groups, sides)
    if sides[preferred].format in PYTORCH:
        pickles = [_pickle(side, skeletons) for side in (base, *sides)]
        if None in pickles:
            segments = pytorch_zip.named(groups, ties, values.wanted.values())
        else:
            tensors = NewTensors(groups, ties)
            segments = pytorch_zip.written(groups, merged(pickles[0], pickles[1:], tensors, preferred, values.chosen))
    elif sides[preferred].format == safetensors.NAME:
        groups = [replace(group, strides=None) for group in groups]
        segments = safetensors.written(groups, ties, values.wanted.values())
    else:
        raise CannotWrite(f"no new file of format {sides[preferred].format} can be written")
    segments = skeleton.normal(segments)
    return Frame(_checked_manifest(segments, groups, ties), None, tuple(segments))


def format_notes(frame: Frame, side: Manifest) -> list[str]:
    """What to say of a new file that is not of the format of the side's: one written before PyTorch 1.6."""
    if frame.manifest.format == side.format or frame.side is not None:
        return []
    reason = "no side's own file holds all that was merged, and new ones are not written as"
    return [f"the merged file is {frame.manifest.format}, which PyTorch 1.6 and later reads: {reason} {side.format}"]


def _pickle(side: Manifest | None, skeletons: Skeletons | None) -> object:
    """What a version pickled, ABSENT where it is none; None where nothing but names is known of it."""
    if side is None or not (side.groups or side.values):
        return ABSENT
    if side.format not in PYTORCH or skeletons is None:
        return None
    try:
        source = Blanked(skeleton.decoded(skeletons(side)))
        return (pytorch_zip if side.format == pytorch_zip.NAME else pytorch_legacy).root(source)
    except (Failure, DamagedCheckpoint) as error:
        raise CannotWrite(str(error)) from error


def _checked_manifest(segments: list[Segment], groups: Sequence[Tensor], ties: Sequence[Alias]) -> Manifest:
    """What clean will make of the new file, but for the digests of its groups.

    Raises :class:`CannotWrite` where that is not what was to be written.
    """
    digests = defaultdict(str, {group.name: group.digest for group in groups})
    manifest = unstored(layout_of(Blanked(segments)), digests, blake3(skeleton.encoded(segments)).hexdigest())
    states: set[Tensor | Alias] = {*manifest.groups.values(), *manifest.aliases.values()}
    wanted: set[Tensor | Alias] = {*groups, *ties}
    if odd := states ^ wanted:
        raise CannotWrite(f"{min(state.name for state in odd)}: it would not be the same tensor in a new file")
    return manifest


def _check_owners(ties: Sequence[Alias], groups: Sequence[Tensor], sides: Sequence[Manifest]) -> None:
    """A tie keeps its meaning only while its owner is the tensor it was."""
    merged = structure(groups)
    for tie in ties:
        owners = [side.groups[tie.owner] for side in sides if tie in side.aliases.values() and tie.owner in side.groups]
        if not owners or not structure(owners) <= merged:
            raise CannotWrite(f"{tie.name}: it is tied to {tie.owner}, which is not what it was")
