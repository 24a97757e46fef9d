"""Identify: the layout of a checkpoint file, and the digest of each of its groups.

Nothing is stored by this, and a file that is known already needs no more.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from blake3 import blake3

from theta_checkpoint import skeleton
from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import unstored
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import chunk_ranges
from theta_store.crcs import Range
from theta_store.crcs import expected_bytes
from theta_store.parallel import mapped
from theta_store.reading import group_pieces
from theta_store.reading import read


@dataclass(frozen=True, slots=True)
class Identified:
    """A checkpoint file whose groups are known by their digests; no value is stored yet."""

    layout: Layout
    manifest: Manifest
    """without recipes and sketches"""
    skeleton: bytes

    def digest(self, group: Group) -> str:
        """BLAKE3 of a group's bytes."""
        return self.manifest.groups[group.name].digest


def identified(source: Source) -> Identified:
    """The layout and manifest of a checkpoint file; reads it once and writes nothing."""
    layout = layout_of(source)
    wanted = {pair for checksum in layout.checksums for pair in checksum.ranges}
    prints = list(mapped(lambda group: _fingerprint(source, group, wanted), layout.groups, _length))
    known = {(g.offset, g.offset + g.length): crc for g, (_, crc) in zip(layout.groups, prints, strict=True)}
    others = wanted - known.keys()
    crcs = known | dict(zip(others, mapped(lambda pair: _crc(source, *pair), others, _span), strict=True))
    bones = skeleton.encoded(list(_segments(source, layout, crcs)))
    digests = {group.name: digest for group, (digest, _) in zip(layout.groups, prints, strict=True)}
    return Identified(layout, unstored(layout, digests, blake3(bones).hexdigest()), bones)


def _fingerprint(source: Source, group: Group, wanted: Collection[Range]) -> tuple[str, int]:
    """BLAKE3 digest of a group's bytes, and their CRC-32 (0 unless ``wanted`` has their range)."""
    hasher = blake3()
    crc = 0
    with_crc = (group.offset, group.offset + group.length) in wanted
    for piece in group_pieces(source, group):
        hasher.update(piece)
        if with_crc:
            crc = zlib.crc32(piece, crc)
    return hasher.hexdigest(), crc


def _crc(source: Source, start: int, end: int) -> int:
    crc = 0
    for offset, length in chunk_ranges(end - start, MAX_CHUNK):
        crc = zlib.crc32(read(source, start + offset, length), crc)
    return crc


def _length(group: Group) -> int:
    return group.length


def _span(pair: Range) -> int:
    return pair[1] - pair[0]


def _segments(source: Source, layout: Layout, crcs: Mapping[Range, int]) -> Iterator[skeleton.Segment]:
    """The skeleton of the file: holes, checksums that do match, and all other bytes as literals."""
    holes: list[tuple[int, int, skeleton.Segment]] = [
        (group.offset, group.length, skeleton.Hole(group.name, group.length)) for group in layout.groups
    ]
    sums: list[tuple[int, int, skeleton.Segment]] = [
        (checksum.position, checksum.length, checksum)
        for checksum in layout.checksums
        if expected_bytes(checksum, crcs) == source.read(checksum.position, checksum.length)
    ]
    position = 0
    for start, length, segment in sorted(holes + sums, key=lambda item: (item[0], item[1])):
        if start > position:
            yield skeleton.Literal(read(source, position, start - position))
        yield segment
        position = max(position, start + length)
    if position < source.size:
        yield skeleton.Literal(read(source, position, source.size - position))
