"""Where the tensors lie in a checkpoint file: what a format module answers."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Protocol

from theta_checkpoint.dtypes import DTYPES

MAX_NUMBER = 10**18
"""extents, strides and sizes are less: a manifest has 18 digits for them"""


class DamagedCheckpoint(ValueError):
    """The file claims a format but breaks its rules; it is kept as one opaque group instead."""


class AnotherFormat(DamagedCheckpoint):
    """The file only begins like one of this format."""


class Source(Protocol):
    """A file that can be read at any offset."""

    @property
    def size(self) -> int:
        """length of the file in bytes"""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """The bytes ``[offset, offset + length)``; fewer only at the end of the file."""
        ...


class FileSource:
    """A :class:`Source` over an open file descriptor; safe to read from several threads."""

    def __init__(self, fd: int, size: int | None = None) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size if size is None else size

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`Source.read`."""
        pieces = []
        length = min(length, self.size - offset)
        while length > 0 and (piece := os.pread(self.fd, min(length, 1 << 30), offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class BytesSource:
    """A :class:`Source` over bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`Source.read`."""
        return self.data[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Group:
    """A parameter group that owns the bytes ``[offset, offset + length)`` of the file."""

    name: str
    dtype: str
    """a key of DTYPES"""
    shape: tuple[int, ...]
    offset: int
    """first byte in the file"""
    length: int
    """``elements * itemsize`` bytes"""
    strides: tuple[int, ...] | None = None
    """elements per step of each axis, when the bytes are a permutation of C order; else None"""


@dataclass(frozen=True, slots=True)
class Alias:
    """A named tensor that is a view into another group's bytes (tied weights, slices)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    owner: str
    """name of the group that holds the bytes"""
    offset: int = 0
    """bytes from the start of the owner's bytes"""
    strides: tuple[int, ...] | None = None
    """elements per step of each axis; None for C order"""


@dataclass(frozen=True, slots=True)
class Value:
    """A leaf that is not a tensor (epoch, learning rate, metadata)."""

    name: str
    text: str
    """one line of JSON, or ``TYPE blake3:HEX`` for what is long or has no JSON form"""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Bytes at ``position`` that follow from other bytes of the file.

    ``crc32``: four little-endian bytes, the CRC-32 of the one range.
    ``serialization-id``: 20 decimal digits, PyTorch's combination of the CRC-32 of every range in order.
    Whether the bytes in the file do match is found out when the file is captured.
    """

    kind: str
    position: int
    ranges: tuple[tuple[int, int], ...]
    """``(start, end)`` byte ranges of the file; never overlapping one another"""

    @property
    def length(self) -> int:
        """bytes the checksum occupies in the file"""
        return 4 if self.kind == "crc32" else 20


@dataclass(frozen=True, slots=True)
class Layout:
    """All that a format knows of one file.

    Groups are sorted by name, names are unique over groups and aliases, byte ranges of groups never
    overlap and lie inside the file. What no group covers is skeleton.
    """

    format: str
    groups: tuple[Group, ...]
    aliases: tuple[Alias, ...] = ()
    values: tuple[Value, ...] = ()
    checksums: tuple[Checksum, ...] = ()
    warning: str | None = None
    """why the file was not understood better, for the user"""


def element_count(shape: tuple[int, ...]) -> int:
    """The number of elements of a tensor of this shape (1 for a 0-d tensor)."""
    return math.prod(shape)


def byte_length(dtype: str, shape: tuple[int, ...]) -> int:
    """The bytes that the elements of a tensor of this dtype (a key of DTYPES) and shape take."""
    return element_count(shape) * DTYPES[dtype].itemsize


def byte_span(dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None) -> int:
    """Bytes from the first to behind the last element of a tensor; 0 where it has none."""
    if 0 in shape:
        return 0
    if strides is None:
        return byte_length(dtype, shape)
    steps = sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
    return (steps + 1) * DTYPES[dtype].itemsize


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The element strides of a C-ordered tensor of this shape."""
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))
