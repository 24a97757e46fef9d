"""Restore: a manifest and its objects become the same file again, byte for byte."""

from __future__ import annotations

from collections import ChainMap
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from itertools import islice
from typing import NamedTuple

from theta_checkpoint.layout import Checksum
from theta_checkpoint.layout import byte_length
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_store.chains import checked
from theta_store.checkpoint import StoredCheckpoint
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.crcs import Range
from theta_store.crcs import RunningCrcs
from theta_store.crcs import expected_bytes
from theta_store.objects import CorruptObject
from theta_store.parallel import ahead
from theta_store.parallel import batches


def restored(checkpoint: StoredCheckpoint) -> Iterator[bytes]:
    """The file, piece by piece. Memory: a few decoded chunks.

    Raises :class:`MissingObject` or :class:`CorruptObject`, naming the group, before or after some pieces:
    whoever takes them must not keep them then.
    """
    segments = checkpoint.segments
    _check_holes(checkpoint, segments)
    ranges = {pair for segment in segments if isinstance(segment, Checksum) for pair in segment.ranges}
    crcs = _crcs_needed_early(checkpoint, segments, ranges)
    yield from _poured(checkpoint, segments, RunningCrcs(ranges), crcs)


def _poured(
    checkpoint: StoredCheckpoint, segments: list[Segment], running: RunningCrcs, early: dict[Range, int]
) -> Iterator[bytes]:
    """Every segment's bytes in order, holes decoded ahead."""
    with ThreadPoolExecutor(WORKERS) as pool:
        holes = (segment for segment in segments if isinstance(segment, Hole))
        counted = ((hole, len(checkpoint.recipe(hole.name).oids)) for hole in holes)
        places = (_Place(hole.name, index, hole.length, count) for hole, count in counted for index in range(count))
        known = ChainMap(early, running.values)
        batched = ahead(pool, lambda batch: [_piece(checkpoint, place) for place in batch], batches(places, _length))
        decoded = chain.from_iterable(batched)
        for segment in segments:
            match segment:
                case Literal(data):
                    pieces = iter([data])
                case Hole(name):
                    count = len(checkpoint.recipe(name).oids)
                    pieces = islice(decoded, count)
                    if count != 1:
                        pieces = checked(pieces, name, checkpoint.digest(name), checkpoint.length(name))
                case Checksum():
                    pieces = iter([expected_bytes(segment, known)])
            for piece in pieces:
                running.update(piece)
                yield piece


class _Place(NamedTuple):
    """A chunk of a group."""

    name: str
    number: int
    length: int
    """bytes of the group"""
    of: int
    """chunks of the group"""


def _piece(checkpoint: StoredCheckpoint, place: _Place) -> bytes:
    """One chunk; already verified where it is the only one of its group."""
    if place.of == 1:
        return b"".join(checkpoint.chunks(place.name))
    return checkpoint.chunk(checkpoint.recipe(place.name), place.number)


def _length(place: _Place) -> int:
    """Bytes of a chunk at most: of one among several only decoding tells, however short the group claims to be."""
    return min(place.length, MAX_CHUNK) if place.of == 1 else MAX_CHUNK


def _crcs_needed_early(checkpoint: StoredCheckpoint, segments: list[Segment], ranges: set[Range]) -> dict[Range, int]:
    """The CRC-32 of ranges that a checksum field precedes: they take a pass of their own."""
    early = {
        pair
        for segment in segments
        if isinstance(segment, Checksum)
        for pair in segment.ranges
        if pair[1] > segment.position
    }
    if not early:
        return {}
    running = RunningCrcs(ranges)
    for _ in _poured(checkpoint, segments, running, {}):
        pass
    return {pair: running.values[pair] for pair in early}


def _check_holes(checkpoint: StoredCheckpoint, segments: list[Segment]) -> None:
    """Every group has one hole, of the length of its shape: no skeleton asks for more than its manifest shows."""
    holes = Counter((segment.name, segment.length) for segment in segments if isinstance(segment, Hole))
    tensors = checkpoint.manifest.groups.values()
    groups = Counter((tensor.name, byte_length(tensor.dtype, tensor.shape)) for tensor in tensors)
    if holes != groups:
        name, _ = min((holes - groups) + (groups - holes))
        raise CorruptObject(f"group {name}: skeleton and manifest disagree about it")
