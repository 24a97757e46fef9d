"""What differs between two manifests: a pure function from data to data.

Tied names count as named tensors: each is seen through its owner, so a weight that is saved under two names is
unchanged when both names still mean the same values, whichever of them the file happens to store.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.layout import element_count
from theta_checkpoint.manifest import Manifest


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """A named tensor of one version: a group, or a name tied to a group."""

    name: str
    dtype: str
    """a key of :data:`theta_checkpoint.dtypes.DTYPES`"""
    shape: tuple[int, ...]
    digest: str
    """BLAKE3 of the raw bytes of the group that holds the values"""
    strides: tuple[int, ...] | None = None
    """elements per step of each axis; None for C order"""
    owner: str | None = None
    """the group that holds the values of a tied name"""
    offset: int = 0
    """bytes into the owner's bytes"""
    is_part: bool = False
    """whether it is a view that does not cover its owner as it is"""

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for two tensors exactly if their dtype, shape and stored values are."""
        return self.dtype, self.shape, self.digest, self.strides, self.offset

    @property
    def parameters(self) -> int:
        """Number of elements."""
        return element_count(self.shape)


@dataclass(frozen=True, slots=True)
class Pair:
    """One tensor in two versions: a modified group, or a renamed one."""

    old: NamedTensor
    new: NamedTensor


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A leaf that is no tensor (epoch, learning rate) in two versions; None where it does not exist."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two versions of a checkpoint; every list is sorted by name."""

    added: tuple[NamedTensor, ...] = ()
    removed: tuple[NamedTensor, ...] = ()
    modified: tuple[Pair, ...] = ()
    """same name, other values, dtype or shape"""
    renamed: tuple[Pair, ...] = ()
    """same values under another name"""
    values: tuple[ValueChange, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    """(name, owner): two tensors that now share their values and did not before"""
    untied: tuple[tuple[str, str], ...] = ()
    """(name, owner): two tensors that shared their values and no longer do"""
    formats: tuple[str, str] | None = None
    """old and new file format, where they differ"""
    same: tuple[NamedTensor, ...] = ()
    """unchanged tensors"""
    parameters: int = 0
    """elements of all tensors of the new version"""
    other_bytes: bool = False
    """only bytes outside of all tensors and values differ"""

    @property
    def unchanged(self) -> int:
        """Number of unchanged tensors."""
        return len(self.same)

    @property
    def moved_parameters(self) -> int:
        """Elements of modified tensors in the new version, tied ones once."""
        return sum({pair.new.content: pair.new.parameters for pair in self.modified}.values())

    @property
    def is_empty(self) -> bool:
        """Whether the two versions are the same checkpoint."""
        return not (
            self.added
            or self.removed
            or self.modified
            or self.renamed
            or self.values
            or self.tied
            or self.untied
            or self.formats
            or self.other_bytes
        )


def compared(old: Manifest | None, new: Manifest | None) -> Comparison:
    """What leads from ``old`` to ``new``; None stands for a file that does not exist."""
    comparison = replace(
        compared_tensors(named_tensors(old), named_tensors(new)),
        values=_value_changes(old, new),
        formats=(old.format, new.format) if old and new and old.format != new.format else None,
    )
    if comparison.is_empty and old and new and old.root != new.root:
        return replace(comparison, other_bytes=True)
    return comparison


def compared_tensors(before: Mapping[str, NamedTensor], after: Mapping[str, NamedTensor]) -> Comparison:
    """What leads from some named tensors to others."""
    common = before.keys() & after.keys()
    modified = sorted(name for name in common if before[name].content != after[name].content)
    removed = {name: before[name] for name in sorted(before.keys() - common)}
    added = {name: after[name] for name in sorted(after.keys() - common)}
    renamed = _renamed(removed.values(), added.values())
    for pair in renamed:
        del removed[pair.old.name], added[pair.new.name]
    return Comparison(
        added=tuple(added.values()),
        removed=tuple(removed.values()),
        modified=tuple(Pair(before[name], after[name]) for name in modified),
        renamed=renamed,
        tied=_newly_shared(before, after),
        untied=_newly_shared(after, before),
        same=tuple(after[name] for name in sorted(common.difference(modified))),
        parameters=sum(tensor.parameters for tensor in after.values() if not tensor.owner),
    )


def named_tensors(manifest: Manifest | None) -> dict[str, NamedTensor]:
    """Every group and every tied name of a manifest."""
    if manifest is None:
        return {}
    groups = manifest.groups
    found = {name: NamedTensor(name, t.dtype, t.shape, t.digest, t.strides) for name, t in groups.items()}
    for name, tied in manifest.aliases.items():
        owner = groups.get(tied.owner)
        if owner:
            whole = (tied.dtype, tied.shape, tied.strides) == (owner.dtype, owner.shape, owner.strides)
            found[name] = NamedTensor(
                name, tied.dtype, tied.shape, owner.digest, tied.strides, tied.owner, tied.offset, not whole
            )
    return found


def _renamed(removed: Iterable[NamedTensor], added: Iterable[NamedTensor]) -> tuple[Pair, ...]:
    """Removed and added tensors with the same content; of several with one content, the first with the first."""
    by_content: dict[object, list[NamedTensor]] = {}
    for tensor in removed:
        if tensor.parameters:
            by_content.setdefault(tensor.content, []).append(tensor)
    for candidates in by_content.values():
        candidates.reverse()
    return tuple(Pair(by_content[new.content].pop(), new) for new in added if by_content.get(new.content))


def _value_changes(old: Manifest | None, new: Manifest | None) -> tuple[ValueChange, ...]:
    before = {name: value.text for name, value in old.values.items()} if old else {}
    after = {name: value.text for name, value in new.values.items()} if new else {}
    changes = (ValueChange(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys()))
    return tuple(change for change in changes if change.old != change.new)


def _newly_shared(before: Mapping[str, NamedTensor], after: Mapping[str, NamedTensor]) -> tuple[tuple[str, str], ...]:
    """(name, owner) of the tied names of ``after`` that both exist in ``before`` and share nothing there."""
    tied = ((tensor.name, tensor.owner) for _, tensor in sorted(after.items()) if tensor.owner)
    return tuple(
        (name, owner)
        for name, owner in tied
        if name in before and owner in before and _holder(before[name]) != _holder(before[owner])
    )


def _holder(tensor: NamedTensor) -> str:
    return tensor.owner or tensor.name
