"""pkt-line framing (gitprotocol-common(5)), as the long-running filter process speaks it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from collections.abc import Iterator

from theta_checkpoint.failure import Failure

MAX_PAYLOAD = 65516
_BATCH = 16 * MAX_PAYLOAD
"""bytes of content that are handed on at once"""
_ROOM = 16 * (MAX_PAYLOAD + 4)
"""bytes that are read at once"""


class BadPacket(Failure):
    """The other side does not speak pkt-line."""


def widened(fd: int) -> int:
    """The descriptor; where it is a pipe and the system allows, with room for 1 MiB instead of 64 KiB."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)
    return fd


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, pieces of less than a packet joined to at least one until a larger one comes."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        if len(piece) < MAX_PAYLOAD:
            held.append(piece)
            size += len(piece)
        if held and (size >= MAX_PAYLOAD or len(piece) >= MAX_PAYLOAD):
            yield b"".join(held)
            held, size = [], 0
        if len(piece) >= MAX_PAYLOAD:
            yield piece
    if held:
        yield b"".join(held)


class PacketReader:
    """Packets from a file descriptor, read in large pieces into memory that is used again and again.

    New memory for every piece would take longer than all that is done with it: the system clears each page first.
    """

    def __init__(self, fd: int) -> None:
        self._fd = widened(fd)
        self._room = memoryview(bytearray(_ROOM))
        self._start = self._end = 0
        """where in the room lies what was read and not yet taken"""

    def packets(self) -> Iterator[bytes]:
        """Payloads up to the next flush packet; raises EOFError at the end of the stream."""
        return map(bytes, self._payloads())

    def texts(self) -> list[str]:
        """The lines up to the next flush packet."""
        return [payload.decode("utf-8", "surrogateescape").removesuffix("\n") for payload in self.packets()]

    def content(self) -> Iterator[memoryview]:
        """The payloads up to the next flush packet, many in one piece, which holds until the next is asked for."""
        piece = memoryview(bytearray(_BATCH))
        size = 0
        for payload in self._payloads():
            if size + len(payload) > len(piece):
                yield piece[:size]
                size = 0
            piece[size : size + len(payload)] = payload
            size += len(payload)
        if size:
            yield piece[:size]

    def _payloads(self) -> Iterator[memoryview]:
        """Payloads up to the next flush packet, in the room."""
        while length := self._length():
            yield self._taken(length - 4)

    def _length(self) -> int:
        """Of the next packet, with the four digits that say it; 0 of a flush packet."""
        head = bytes(self._taken(4))
        try:
            length = int(head, 16)
        except ValueError:
            raise BadPacket(f"not a packet length: {head!r}") from None
        if length and not 4 <= length <= MAX_PAYLOAD + 4:
            raise BadPacket(f"a packet cannot be {length} bytes long")
        return length

    def _taken(self, length: int) -> memoryview:
        while self._end - self._start < length:
            self._read()
        self._start += length
        return self._room[self._start - length : self._start]

    def _read(self) -> None:
        """Read on behind what is left, which is less than a packet and goes to the front."""
        left = self._end - self._start
        self._room[:left] = self._room[self._start : self._end]
        count = os.readv(self._fd, [self._room[left:]])
        if not count:
            raise EOFError
        self._start, self._end = 0, left + count


class PacketWriter:
    """Packets to a file descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = widened(fd)

    def texts(self, *lines: str) -> None:
        """Lines, one a packet, and a flush."""
        payloads = [f"{line}\n".encode("utf-8", "surrogateescape") for line in lines]
        self._write(b"".join(b"%04x%b" % (len(payload) + 4, payload) for payload in payloads) + b"0000")

    def content(self, pieces: Iterable[bytes]) -> None:
        """Content of any length, without the flush that ends it."""
        for piece in joined(pieces):
            view = memoryview(piece)
            for start in range(0, len(view), _BATCH):
                self._write_batch(view[start : start + _BATCH])

    def flush(self) -> None:
        """A flush packet."""
        self._write(b"0000")

    def _write_batch(self, view: memoryview) -> None:
        """Packets of one system call, gathered without a copy."""
        parts: list[bytes | memoryview] = []
        for start in range(0, len(view), MAX_PAYLOAD):
            part = view[start : start + MAX_PAYLOAD]
            parts += (b"%04x" % (len(part) + 4), part)
        written = os.writev(self._fd, parts)
        if written < len(view) + 2 * len(parts):
            self._write(b"".join(parts)[written:])

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
