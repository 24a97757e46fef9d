"""The bytes that git pipes to clean, as a file that can be read at any offset.

What comes in one piece (1 MiB) is held in memory. What is more is most often the working-tree file's own bytes, so that
file itself is read instead of a copy; at the first difference all goes to a temporary file. git reads the file and
pipes it anyway: what is compared here is in the page cache.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import FileSource
from theta_checkpoint.layout import Source
from theta_store.chunks import chunk_ranges
from theta_store.reading import PIECE
from theta_store.reading import FileChanged
from theta_store.reading import moment
from theta_store.seen import is_settled
from theta_store.seen import state

_LARGE = 16 << 20
"""bytes from which on it pays to remember what a file holds: less is read in the time that asking takes"""

_CHANGED = "the file was written to while it was read; add it again"


@dataclass(frozen=True)
class Spooled:
    """Piped bytes, readable at any offset."""

    source: Source
    digest: str
    """BLAKE3 of all bytes"""
    twin: _Twin | None = None
    """the working-tree file, where it stands for the bytes"""
    state: str | None = None
    """the state of that file, where no later change to it can leave it so; see :mod:`theta_store.seen`"""

    def check_unchanged(self) -> None:
        """Raise :class:`FileChanged` if the file that stands for the bytes was written to meanwhile."""
        if self.twin:
            self.twin.check_unchanged()


class _Twin:
    """The working-tree file, which stands for what is piped as long as that is the same."""

    def __init__(self, fd: int, folder: Path) -> None:
        self.fd = fd
        self._status = os.fstat(fd)
        self._settled = self._status.st_size >= _LARGE and is_settled(self._status, folder)
        # used again for each piece: to get new memory from the system takes longer than to compare what is in it
        self._room = bytearray()

    def holds(self, piece: bytes | memoryview, offset: int) -> bool:
        """Whether the file has this piece at this offset."""
        if len(self._room) < len(piece):
            self._room = bytearray(len(piece))
        length = os.preadv(self.fd, [memoryview(self._room)[: len(piece)]], offset)
        return length == len(piece) and self._room.startswith(piece)

    def start(self, length: int, digest: bytes) -> Iterator[bytes]:
        """The first bytes of the file once more; raises :class:`FileChanged` if their BLAKE3 digest is another now."""
        hasher = blake3()
        for offset, step in chunk_ranges(length, PIECE):
            piece = os.pread(self.fd, step, offset)
            hasher.update(piece)
            yield piece
        if hasher.digest() != digest:
            raise FileChanged(_CHANGED)

    def spooled(self, size: int, digest: str) -> Spooled:
        """The file for piped bytes that were all the same."""
        is_known = self._settled and size == self._status.st_size
        return Spooled(FileSource(self.fd, size), digest, self, state(self._status) if is_known else None)

    def check_unchanged(self) -> None:
        """Raise :class:`FileChanged` if the file was written to since it was opened."""
        if moment(os.fstat(self.fd)) != moment(self._status):
            raise FileChanged(_CHANGED)


@contextlib.contextmanager
def spooled(pieces: Iterable[bytes | memoryview], path: Path, folder: Path) -> Iterator[Spooled]:
    """The piped ``pieces`` of the file at ``path``; temporary copies go to ``folder``."""
    following = iter(pieces)
    start = bytes(next(following, b""))
    second = next(following, None)
    if second is None:
        yield Spooled(BytesSource(start), blake3(start).hexdigest())
        return
    hasher = blake3()
    with contextlib.ExitStack() as stack:
        twin = _twin(path, folder, stack)
        copy = None if twin else stack.enter_context(_temporary(folder))
        size = 0
        for piece in chain([start, second], following):
            if twin and not twin.holds(piece, size):
                copy = stack.enter_context(_temporary(folder))
                copy.writelines(twin.start(size, hasher.digest()))
                twin = None
            if copy:
                copy.write(piece)
            hasher.update(piece)
            size += len(piece)
        if copy:
            copy.flush()
            yield Spooled(FileSource(copy.fileno(), size), hasher.hexdigest())
        elif twin:
            yield twin.spooled(size, hasher.hexdigest())


def _twin(path: Path, folder: Path, stack: contextlib.ExitStack) -> _Twin | None:
    """The regular file at ``path``, closed with the stack; None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    stack.callback(os.close, fd)
    return _Twin(fd, folder) if stat.S_ISREG(os.fstat(fd).st_mode) else None


def _temporary(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)
