"""Pour: an outcome becomes a file, without a store. For merges outside of git."""

from __future__ import annotations

import os
import secrets
import sys
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from theta_checkpoint import skeleton
from theta_checkpoint.layout import Checksum
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_merge.engine import computer
from theta_merge.outcome import Computed
from theta_merge.outcome import Outcome
from theta_merge.settle import chunks_in_order
from theta_merge.side_data import Beside
from theta_merge.side_data import SideData
from theta_merge.side_data import check_unchanged
from theta_merge.untied import Untied
from theta_store.checkpoint import OpenCheckpoint
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.chunks import chunk_ranges
from theta_store.crcs import Range
from theta_store.crcs import expected_bytes


def poured(
    wanted: Outcome, checkpoints: Sequence[OpenCheckpoint | None], data: SideData, path: Path, found: Beside
) -> tuple[str, ...]:
    """Write the merged file; at ``path`` is what was there before, or all of it. Memory: a few slices.

    What the user should know of it, a line each.

    ``checkpoints`` are one per side, base last. Raises OSError, :class:`theta_store.reading.FileChanged` where one
    was written to meanwhile, and what computing raises (:class:`strategies.contract.CannotMerge`).
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            notes = _pour(wanted, checkpoints, data, fd, found)
        finally:
            os.close(fd)
        for checkpoint in filter(None, checkpoints):
            checkpoint.check_unchanged()
        check_unchanged(data)
        os.replace(partial, path)
        return notes
    finally:
        partial.unlink(missing_ok=True)


def _pour(
    wanted: Outcome, checkpoints: Sequence[OpenCheckpoint | None], data: SideData, fd: int, found: Beside
) -> tuple[str, ...]:
    segments = list(wanted.frame.segments)
    if wanted.frame.side is not None:
        frame = checkpoints[wanted.frame.side]
        assert frame is not None
        segments = skeleton.decoded(frame.found.skeleton)
    starts = dict(_starts(segments))
    holes = [(start, segment) for start, segment in starts.items() if isinstance(segment, Hole)]
    holes.sort(key=lambda hole: -hole[1].length)  # the longest first, so that no core is left to do one alone
    size = sum(map(_length, segments))
    if size and sys.platform == "linux":
        os.posix_fallocate(fd, 0, size)  # a full disk is told before any work, and writing takes half the time
    chunks = _Chunks(wanted, [Untied(checkpoint) if checkpoint else None for checkpoint in checkpoints], data, found)
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(lambda hole: _write(fd, chunks.of(hole[1].name), hole[0]), holes):
            pass
        for start, segment in starts.items():
            if isinstance(segment, Literal):
                _write(fd, [segment.data], start)
        _write_checksums(fd, starts, pool)
    return chunks.notes


def _starts(segments: Sequence[Segment]) -> Iterator[tuple[int, Segment]]:
    """Each segment with its first byte in the file; empty ones, which may share it, are left out."""
    position = 0
    for segment in segments:
        if length := _length(segment):
            yield position, segment
            position += length


def _length(segment: Segment) -> int:
    return len(segment.data) if isinstance(segment, Literal) else segment.length


class _Chunks:
    """The bytes of every merged group, as its place in the file wants them."""

    def __init__(self, wanted: Outcome, checkpoints: Sequence[Untied | None], data: SideData, found: Beside) -> None:
        self._wanted = wanted
        self._checkpoints = checkpoints
        if wanted.computed:
            self._computer = computer(checkpoints, data, found).surveyed(wanted.computed)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the groups that were computed."""
        return tuple(self._computer.cautions.notes()) if self._wanted.computed else ()

    def of(self, name: str) -> Iterator[bytes | memoryview]:
        """The chunks of one group in storage order."""
        group = self._wanted.groups[name]
        if isinstance(group, Computed):
            return self._computer.pieces(group)
        checkpoint = self._checkpoints[group.version]
        target = self._wanted.frame.manifest.groups[name]
        assert checkpoint is not None
        assert isinstance(group.state, Tensor)
        return checkpoint.chunks(name) if group.state.strides == target.strides else chunks_in_order(checkpoint, target)


def _write(fd: int, pieces: Iterable[bytes | memoryview], position: int) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            written = os.pwrite(fd, view, position)
            view = view[written:]
            position += written


def _write_checksums(fd: int, starts: dict[int, Segment], pool: ThreadPoolExecutor) -> None:
    crcs: dict[Range, int] = {}
    # The serialization id stands in a record that has a CRC-32 of its own.
    for kind in ("serialization-id", "crc32"):
        checksums = {s: c for s, c in starts.items() if isinstance(c, Checksum) and c.kind == kind}
        ranges = sorted({pair for checksum in checksums.values() for pair in checksum.ranges} - crcs.keys())
        crcs.update(zip(ranges, pool.map(lambda pair: _crc(fd, pair), ranges), strict=True))
        for start, checksum in checksums.items():
            _write(fd, [expected_bytes(checksum, crcs)], start)


def _crc(fd: int, pair: Range) -> int:
    crc = 0
    for offset, length in chunk_ranges(pair[1] - pair[0], MAX_CHUNK):
        crc = zlib.crc32(os.pread(fd, length, pair[0] + offset), crc)
    return crc
