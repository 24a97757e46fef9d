"""The bytes that git pipes to clean, as a file that can be read at any offset.

Most often they are the working-tree file's own bytes, so that file itself is read instead of a copy; at the
first difference the rest goes to a temporary file. git reads the file and pipes it anyway: what is compared
here is in the page cache.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from theta_checkpoint.layout import FileSource
from theta_store.capture import FileChanged


@dataclass(frozen=True)
class Spooled:
    """Piped bytes, readable at any offset."""

    source: FileSource
    digest: str
    """BLAKE3 of all bytes"""
    twin_status: os.stat_result | None
    """the working-tree file's status before its first byte was read, where it stands for the bytes"""

    def check_unchanged(self) -> None:
        """Raise :class:`FileChanged` if the file that stands for the bytes was written to meanwhile."""
        if self.twin_status and _moment(os.fstat(self.source.fd)) != _moment(self.twin_status):
            raise FileChanged("the file was written to while it was read; add it again")


@contextlib.contextmanager
def spooled(pieces: Iterable[bytes | memoryview], path: Path, folder: Path) -> Iterator[Spooled]:
    """The piped ``pieces`` of the file at ``path``; temporary copies go to ``folder``."""
    hasher = blake3()
    with contextlib.ExitStack() as stack:
        twin = _opened(path, stack)
        status = os.fstat(twin) if twin is not None else None
        room = bytearray()
        """memory that is used again: to get new pages for each piece takes longer than to compare it"""
        copy: BinaryIO | None = None
        size = 0
        for piece in pieces:
            hasher.update(piece)
            if len(room) < len(piece):
                room = bytearray(len(piece))
            if copy is None and (twin is None or not _holds(twin, piece, size, room)):
                copy = stack.enter_context(_temporary(folder))
                _copy_start(twin, copy, size)
            if copy:
                copy.write(piece)
            size += len(piece)
        if copy is None and twin is None:
            copy = stack.enter_context(_temporary(folder))
        if copy:
            copy.flush()
            yield Spooled(FileSource(copy.fileno(), size), hasher.hexdigest(), None)
        elif twin is not None:
            yield Spooled(FileSource(twin, size), hasher.hexdigest(), status)


def _opened(path: Path, stack: contextlib.ExitStack) -> int | None:
    """A descriptor of the regular file at ``path``, closed with the stack; None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    stack.callback(os.close, fd)
    return fd if stat.S_ISREG(os.fstat(fd).st_mode) else None


def _holds(fd: int, piece: bytes | memoryview, offset: int, room: bytearray) -> bool:
    """Whether the file has this piece at this offset, which is read into the room."""
    return os.preadv(fd, [memoryview(room)[: len(piece)]], offset) == len(piece) and room.startswith(piece)


def _temporary(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _copy_start(twin: int | None, copy: BinaryIO, size: int) -> None:
    """Copy the bytes that were equal so far."""
    position = 0
    while twin is not None and position < size:
        piece = os.pread(twin, min(1 << 20, size - position), position)
        if not piece:
            raise FileChanged("the file was cut short while it was read; add it again")
        copy.write(piece)
        position += len(piece)


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
