"""Where the records of a zip archive lie, read from its central directory alone.

Source: PKWARE APPNOTE.TXT 6.3.10, zip64 included.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Source

MAX_DIRECTORY = 1 << 28
"""bytes of central directory: more than a million records"""
STORED = 0
DEFLATED = 8
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _HAS_DESCRIPTOR = 1, 8
_SEVERAL = "it is several archives one after the other, or lies behind other bytes"


@dataclass(frozen=True, slots=True)
class Record:
    """One file in the archive."""

    name: str
    method: int
    """STORED, DEFLATED, or something else"""
    crc: int
    """CRC-32 of the uncompressed bytes, as the directory has it"""
    header: int
    """first byte of the local header in the file"""
    start: int
    """first byte of the (compressed) data in the file"""
    length: int
    """bytes of (compressed) data"""
    size: int
    """bytes when uncompressed"""
    crc_positions: tuple[int, ...]
    """where in the file the CRC-32 stands, as four little-endian bytes"""

    @property
    def end(self) -> int:
        """First byte behind the data."""
        return self.start + self.length


def records(source: Source) -> list[Record]:
    """The records in directory order, which is the order of writing.

    Raises :class:`DamagedCheckpoint` for an archive that is damaged, encrypted, or has two records of a name
    or that overlap.
    """
    start, length, count = _directory(source)
    directory = source.read(start, length)
    found = []
    position = 0
    for _ in range(count):
        record, position = _record(source, directory, start, position)
        found.append(record)
    if len({record.name for record in found}) < count:
        raise DamagedCheckpoint("two records of one name")
    ordered = sorted((record.header, _behind(record, start)) for record in found)
    if any(end > following for (_, end), (following, _) in zip(ordered, [*ordered[1:], (start, start)], strict=True)):
        raise DamagedCheckpoint("records overlap")
    return found


def _behind(record: Record, directory: int) -> int:
    """First byte behind the record's data, and behind its CRC-32 where that follows the data."""
    return max(record.end, *(position + 4 for position in record.crc_positions if position < directory))


def content(source: Source, record: Record, limit: int) -> bytes:
    """The uncompressed bytes of a record; raises :class:`DamagedCheckpoint` for more than ``limit``."""
    if record.size > limit or record.length > limit:
        raise DamagedCheckpoint(f"{record.name!r} is larger than {limit} bytes")
    data = source.read(record.start, record.length)
    if record.method == DEFLATED:
        inflater = zlib.decompressobj(-15)
        try:
            data = inflater.decompress(data, max(record.size, 1))
        except zlib.error as error:
            raise DamagedCheckpoint(f"{record.name!r}: {error}") from error
        if inflater.unconsumed_tail:
            raise DamagedCheckpoint(f"{record.name!r} is longer than it says")
    elif record.method != STORED:
        raise DamagedCheckpoint(f"{record.name!r} is compressed by method {record.method}")
    if len(data) != record.size:
        raise DamagedCheckpoint(f"{record.name!r} is cut off")
    return data


def _directory(source: Source) -> tuple[int, int, int]:
    """Start, length and number of entries of the central directory.

    The directory has to end where the end records begin. Elsewhere it is another archive's: what lies before this
    one would be skeleton, and the tensors in it be lost in a merge.
    """
    base = max(0, source.size - _END.size - 0xFFFF)
    tail = source.read(base, source.size - base)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise DamagedCheckpoint("no end of central directory (cut off?)")
    *_, count, length, start, _ = _END.unpack_from(tail, at)
    end = base + at
    locator = source.read(end - _END64_LOCATOR.size, _END64_LOCATOR.size) if end >= _END64_LOCATOR.size else b""
    if locator.startswith(b"PK\6\7"):
        position = _END64_LOCATOR.unpack(locator)[2]
        record = source.read(position, _END64.size) if position < source.size else b""
        if len(record) < _END64.size or not record.startswith(b"PK\6\6"):
            raise DamagedCheckpoint("no zip64 end of central directory")
        _, rest, *_, count, length, start = _END64.unpack(record)
        if position + 12 + rest != end - _END64_LOCATOR.size:
            raise DamagedCheckpoint(_SEVERAL)
        end = position
    if start + length > end or length > MAX_DIRECTORY or count * _ENTRY.size > length:
        raise DamagedCheckpoint("the central directory does not fit in the file")
    if start + length < end:
        raise DamagedCheckpoint(_SEVERAL)
    return start, length, count


def _record(source: Source, directory: bytes, base: int, position: int) -> tuple[Record, int]:
    """The record whose directory entry is at ``position``, and the position of the next entry."""
    if position + _ENTRY.size > len(directory):
        raise DamagedCheckpoint("the central directory is cut off")
    fields = _ENTRY.unpack_from(directory, position)
    signature, _, _, flags, method, _, _, crc, length, size, name_length, extra_length, comment_length = fields[:13]
    name_start = position + _ENTRY.size
    name = directory[name_start : name_start + name_length]
    extra = directory[name_start + name_length : name_start + name_length + extra_length]
    if signature != b"PK\1\2" or flags & _ENCRYPTED:
        raise DamagedCheckpoint("a damaged or encrypted entry in the central directory")
    size, length, header = _zip64(extra, size, length, fields[-1])
    start = _data_start(source, header, name)
    if start + length > base:
        raise DamagedCheckpoint("a record reaches out of the file")
    positions = [base + position + 16, *_local_crc_positions(source, flags, header, start + length, crc)]
    record = Record(name.decode("utf-8", "replace"), method, crc, header, start, length, size, tuple(sorted(positions)))
    return record, name_start + name_length + extra_length + comment_length


def _zip64(extra: bytes, *fields: int) -> tuple[int, int, int]:
    """The fields, those of all ones replaced by what the zip64 extra field has for them."""
    position = 0
    wide = b""
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            wide = extra[position + 4 : position + 4 + length]
        position += 4 + length
    taken = 0
    out = []
    for field in fields:
        if field == 0xFFFFFFFF:
            if taken + 8 > len(wide):
                raise DamagedCheckpoint("a zip64 size is missing")
            field = int.from_bytes(wide[taken : taken + 8], "little")
            taken += 8
        out.append(field)
    return out[0], out[1], out[2]


def _data_start(source: Source, header: int, name: bytes) -> int:
    local = source.read(header, _LOCAL.size + len(name)) if header < source.size else b""
    if len(local) < _LOCAL.size + len(name) or not local.startswith(b"PK\3\4") or local[_LOCAL.size :] != name:
        raise DamagedCheckpoint("a record without its local header")
    name_length, extra_length = _LOCAL.unpack_from(local)[-2:]
    return header + _LOCAL.size + int(name_length) + int(extra_length)


def _local_crc_positions(source: Source, flags: int, header: int, end: int, crc: int) -> list[int]:
    """The CRC-32 outside the directory: in the local header, or in the descriptor behind the data."""
    if not flags & _HAS_DESCRIPTOR:
        return [header + 14]
    descriptor = source.read(end, 8)
    return [end + 4] if descriptor == b"PK\7\x08" + crc.to_bytes(4, "little") else []
