"""Reading a checkpoint file group by group, while others may write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Source
from theta_store.chunks import chunk_length
from theta_store.chunks import chunk_ranges

PIECE = 448 << 10
"""bytes read at a time where they need not be cut as they are stored: what strategies compute at a time, in float32"""


class FileChanged(Failure):
    """The file was written to while it was read."""


def moment(status: os.stat_result) -> tuple[int, int, int]:
    """What is another for a file that was written to meanwhile."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def group_chunks(source: Source, group: Group) -> Iterator[bytes]:
    """The bytes of a group in the chunks in which they are stored; raises :class:`FileChanged`."""
    for start, length in chunk_ranges(group.length, chunk_length(group.dtype, group.shape)):
        yield read(source, group.offset + start, length)


def group_pieces(source: Source, group: Group) -> Iterator[bytes]:
    """The bytes of a group in pieces that stay in a core's cache; raises :class:`FileChanged`."""
    for start, length in chunk_ranges(group.length, PIECE):
        yield read(source, group.offset + start, length)


@dataclass(frozen=True, slots=True)
class GroupSource:
    """The bytes of a group as a :class:`Source`; reading raises :class:`FileChanged`."""

    file: Source
    group: Group

    @property
    def size(self) -> int:
        """length of the group in bytes"""
        return self.group.length

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`Source.read`."""
        return read(self.file, self.group.offset + offset, min(length, self.size - offset))


def read(source: Source, offset: int, length: int) -> bytes:
    """So many bytes of a file; raises :class:`FileChanged`."""
    data = source.read(offset, length)
    if len(data) != length:
        raise FileChanged(f"the file ended at byte {offset + len(data)} while it was read; run the command again")
    return data
