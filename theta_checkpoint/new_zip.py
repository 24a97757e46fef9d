"""A new zip archive as a skeleton: stored records, some of them holes.

Every size and offset is written in zip64 form, as large checkpoints need it. Data starts at multiples of 64
bytes, so that PyTorch can map it. Source: PKWARE APPNOTE.TXT 6.3.10; ``getPadding`` of PyTorch.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

from theta_checkpoint.layout import Checksum
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment

ALIGNMENT = 64
_VERSION = 45
"""of the zip format: the first with zip64"""
_UTF8_NAMES = 1 << 11
_DATE = 0x21
"""1 January 1980"""
_WIDE = 0xFFFFFFFF
"""stands for a size or offset that the extra field has"""
_CRC_IN_LOCAL = 14
_CRC_IN_DIRECTORY = 16


def archive(records: Iterable[tuple[str, bytes | Hole]]) -> list[Segment]:
    """The segments of an archive of these records, so named and in this order."""
    segments: list[Segment] = []
    directory: list[tuple[bytes, tuple[int, int] | None]] = []
    position = 0
    for name, content in records:
        crc, size = (0, content.length) if isinstance(content, Hole) else (zlib.crc32(content), len(content))
        header = _local_header(name.encode(), crc, size, position)
        start = position + len(header)
        poured = (start, start + size) if isinstance(content, Hole) and size else None
        segments += _with_checksum(header, position, _CRC_IN_LOCAL, poured)
        segments.append(content if isinstance(content, Hole) else Literal(content))
        directory.append((_directory_entry(name.encode(), crc, size, position), poured))
        position = start + size
    start = position
    for entry, poured in directory:
        segments += _with_checksum(entry, position, _CRC_IN_DIRECTORY, poured)
        position += len(entry)
    return [*segments, Literal(_end(len(directory), start, position - start))]


def _with_checksum(header: bytes, position: int, crc_at: int, poured: tuple[int, int] | None) -> list[Segment]:
    """The header; its CRC-32 is one that follows from the poured range, where there is one."""
    if poured is None:
        return [Literal(header)]
    checksum = Checksum("crc32", position + crc_at, (poured,))
    return [Literal(header[:crc_at]), checksum, Literal(header[crc_at + 4 :])]


def _local_header(name: bytes, crc: int, size: int, position: int) -> bytes:
    extra = struct.pack("<2H2Q", 1, 16, size, size)
    unpadded = position + 30 + len(name) + len(extra) + 4
    padding = -unpadded % ALIGNMENT
    extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
    fixed = (_VERSION, _UTF8_NAMES, 0, 0, _DATE, crc, _WIDE, _WIDE, len(name), len(extra))
    return b"PK\3\4" + struct.pack("<5H3L2H", *fixed) + name + extra


def _directory_entry(name: bytes, crc: int, size: int, position: int) -> bytes:
    extra = struct.pack("<2H3Q", 1, 24, size, size, position)
    fixed = (_VERSION, _VERSION, _UTF8_NAMES, 0, 0, _DATE, crc, _WIDE, _WIDE, len(name), len(extra), 0, 0, 0, 0, _WIDE)
    return b"PK\1\2" + struct.pack("<6H3L5H2L", *fixed) + name + extra


def _end(count: int, start: int, length: int) -> bytes:
    end64 = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, _VERSION, _VERSION, 0, 0, count, count, length, start)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, start + length, 1)
    few = min(count, 0xFFFF)
    return end64 + locator + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, few, few, min(length, _WIDE), min(start, _WIDE), 0)
