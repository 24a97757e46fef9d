"""Two checkpoint files side by side: what is in both is compared byte by byte, so nothing of it is hashed."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import unstored
from theta_diff.open_file import OpenFile
from theta_diff.sides import Side
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.chunks import chunk_ranges
from theta_store.reading import GroupSource
from theta_store.reading import group_chunks


@dataclass(frozen=True)
class LooseCheckpoint:
    """A checkpoint whose values lie in a file and were not hashed."""

    manifest: Manifest
    source: Source
    groups: Mapping[str, Group]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a group, see :meth:`theta_store.checkpoint.Checkpoint.chunks`; raises FileChanged."""
        return group_chunks(self.source, self.groups[name])

    def in_place(self, name: str) -> Source:
        """See :meth:`theta_store.checkpoint.Checkpoint.in_place`."""
        return GroupSource(self.source, self.groups[name])


def file_pair(old: Path, new: Path) -> tuple[Side, Side]:
    """Both files as the sides of a diff; raises OSError, FileChanged.

    Their digests are good for telling these two apart and for nothing else: a group of the same name and kind in
    both has one made up from its name, all others that of their bytes.
    """
    sources = OpenFile(old), OpenFile(new)
    layouts = layout_of(sources[0]), layout_of(sources[1])
    pairs = _counterparts(*layouts)
    with ThreadPoolExecutor(WORKERS) as pool:
        equal = dict(zip(pairs, pool.map(lambda pair: _are_equal(sources, pair), pairs.values()), strict=True))
        digests = (
            _digests("old", sources[0], layouts[0], equal, pool),
            _digests("new", sources[1], layouts[1], equal, pool),
        )
    return _side(sources[0], layouts[0], digests[0]), _side(sources[1], layouts[1], digests[1])


def _digests(
    word: str, source: Source, layout: Layout, equal: Mapping[str, bool], pool: ThreadPoolExecutor
) -> dict[str, str]:
    """The digest of each group by name, as :func:`file_pair` says."""
    others = [group for group in layout.groups if group.name not in equal]
    hashes = pool.map(lambda group: _hash(source, group), others)
    made_up = {name: f"{'both' if same else word} {name}" for name, same in equal.items()}
    return made_up | {group.name: digest for group, digest in zip(others, hashes, strict=True)}


def _counterparts(old: Layout, new: Layout) -> dict[str, tuple[Group, Group]]:
    """Groups with the same name, dtype, shape and order in both files, by name; none to which another name is tied.

    Tied groups are left to their digests: which of their names holds the bytes may differ between the files.
    """
    tied = {name for layout in (old, new) for alias in layout.aliases for name in (alias.name, alias.owner)}
    others = {group.name: group for group in new.groups if group.name not in tied}
    found = ((group, others[group.name]) for group in old.groups if group.name in others and group.name not in tied)
    return {one.name: (one, other) for one, other in found if _kind(one) == _kind(other)}


def _kind(group: Group) -> tuple[object, ...]:
    return group.dtype, group.shape, group.strides


def _are_equal(sources: tuple[Source, Source], pair: tuple[Group, Group]) -> bool:
    old, new = (group_chunks(source, group) for source, group in zip(sources, pair, strict=True))
    return all(one == other for one, other in zip(old, new, strict=True))


def _hash(source: Source, group: Group) -> str:
    hasher = blake3()
    for chunk in group_chunks(source, group):
        hasher.update(chunk)
    return hasher.hexdigest()


def _side(source: Source, layout: Layout, digests: Mapping[str, str]) -> Side:
    manifest = unstored(layout, digests, _skeleton_hash(source, layout))
    checkpoint = LooseCheckpoint(manifest, source, {group.name: group for group in layout.groups})
    return Side(manifest, lambda: checkpoint, warning=layout.warning)


def _skeleton_hash(source: Source, layout: Layout) -> str:
    """BLAKE3 of every byte outside of all groups, and of where it lies."""
    hasher = blake3()
    position = 0
    for start, length in (*sorted((group.offset, group.length) for group in layout.groups), (source.size, 0)):
        for begin, count in chunk_ranges(start - position, MAX_CHUNK):
            hasher.update(source.read(position + begin, count))
        hasher.update(start.to_bytes(8, "little"))
        position = max(position, start + length)
    return hasher.hexdigest()
