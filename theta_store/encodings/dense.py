"""Dense: the bytes themselves, byte-shuffled and entropy-coded.

An object is one chunk of a zarr v3 array under the codec chain ``bytes`` (little endian), ``blosc`` (zstd,
level 1, byte shuffle), so that any zarr reader can decode it. Blocks of 512 KiB keep the planes of a
shuffled block apart in zstd's own 128 KiB blocks: the exponents of float32 and bfloat16 weights then cost
their entropy (0.84 and 0.69 of raw, where bitshuffle + lz4 reaches 0.875 and 0.75).

Less than a block would lie in one block of zstd's, all planes under one code (0.92 and 0.77 at 16 KiB). So the
planes are laid out here, and are blosc's blocks (0.85 and 0.70): a zarr v3 array of bytes, of shape (numbers, width),
under ``transpose``, ``bytes``, ``blosc`` (zstd, level 1, no shuffle). The flags in blosc's header tell the two apart.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import MAX_CHUNK
from theta_store.encodings import c_blosc
from theta_store.objects import CorruptObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "dense"
BLOCK = 512 << 10
"""bytes per blosc block"""
_WORTH_IT = 2 << 10
"""bytes from which on the planes of less than a block are laid out: a block of blosc's costs bytes and time too"""
_SHUFFLED = 0b101
"""blosc's flags for byte and for bit shuffle"""


def encoded(raw: bytes | memoryview, itemsize: int) -> bytes:
    """One chunk of raw little-endian elements of ``itemsize`` bytes as an object's bytes."""
    raw = bytes(raw)
    if itemsize > 1 and _WORTH_IT <= len(raw) < BLOCK and len(raw) % itemsize == 0:
        planes = b"".join(raw[plane::itemsize] for plane in range(itemsize))
        return c_blosc.compressed(planes, itemsize, len(raw) // itemsize, shuffled=False)
    return c_blosc.compressed(raw, itemsize, BLOCK)


def shuffle_width(dtype: str) -> int:
    """Bytes per number: what byte shuffle sorts by (a complex element is two numbers)."""
    found = DTYPES[dtype]
    return found.itemsize // 2 if found.kind == "complex" else found.itemsize


def decoded(data: bytes, bases: Sequence[bytes] = ()) -> bytes:
    """The raw bytes of one object, whatever the bases; raises :class:`CorruptObject` if they are damaged."""
    raw = _decompressed(data)
    return bytes(_joined(raw, data[3])) if _in_planes(data) else raw


def integers(data: bytes | memoryview) -> NDArray[Any]:
    """What :func:`decoded` gives, as a writable array of unsigned little-endian integers of the object's width."""
    import numpy

    length = raw_length(data)
    width = data[3]
    if width not in (1, 2, 4, 8) or length % width:
        raise CorruptObject("an object holds no whole numbers")
    if _in_planes(data):
        planes = numpy.frombuffer(_decompressed(bytes(data)), numpy.uint8)
        return planes.reshape(width, -1).T.copy().view(f"<u{width}").reshape(-1)
    found = numpy.empty(length // width, f"<u{width}")
    if length:
        try:
            c_blosc.decompress(bytes(data), found.ctypes.data, length)
        except ValueError as error:
            raise CorruptObject(f"an object does not decode: {error}") from error
    return found


def _decompressed(data: bytes) -> bytes:
    """What lies in an object, planes as they are; raises :class:`CorruptObject`."""
    length = raw_length(data)
    try:
        return c_blosc.decompressed(data, length) if length else b""
    except ValueError as error:
        raise CorruptObject(f"an object does not decode: {error}") from error


def _in_planes(data: bytes | memoryview) -> bool:
    """Whether an object's planes were laid out before blosc."""
    return data[3] > 1 and not data[2] & _SHUFFLED


def _joined(planes: bytes, width: int) -> bytearray:
    """The numbers whose planes lie one after the other; raises :class:`CorruptObject`."""
    count, rest = divmod(len(planes), width)
    if rest:
        raise CorruptObject("an object holds no whole numbers")
    found = bytearray(len(planes))
    for plane in range(width):
        found[plane::width] = planes[plane * count : (plane + 1) * count]
    return found


def raw_length(data: bytes | memoryview) -> int:
    """How many raw bytes an object holds; refuses one whose blosc header lies about its own length."""
    if len(data) < 16:
        raise CorruptObject(f"an object of {len(data)} bytes is cut off")
    raw, _, length = struct.unpack_from("<III", data, 4)
    if length != len(data) or raw > MAX_CHUNK:
        raise CorruptObject("an object does not have the length that its header says")
    return int(raw)
