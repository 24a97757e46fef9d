"""C-Blosc, as numcodecs brings it.

numcodecs takes and gives bytes only by way of numpy, and to import both takes longer than to restore a small
checkpoint. So the C functions in its extension module are called directly, and numcodecs only where they are hidden.
Source: ``blosc_compress_ctx`` and ``blosc_decompress_ctx`` of c-blosc/blosc/blosc.h.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.machinery import PathFinder

_OVERHEAD = 16
_SHUFFLE = 1


def compressed(raw: bytes, itemsize: int, block: int, shuffled: bool = True) -> bytes:
    """Elements of ``itemsize`` bytes under byte shuffle, if asked, and zstd, level 1, in blocks of ``block`` bytes."""
    shuffle = _SHUFFLE if shuffled else 0
    library = _library()
    if not library:
        from numcodecs import blosc
        from numpy import frombuffer

        blosc.use_threads = False
        return bytes(blosc.compress(frombuffer(raw, f"V{itemsize}"), b"zstd", 1, shuffle, block))
    room = len(raw) + _OVERHEAD
    data = _new_bytes(room)
    length = library.blosc_compress_ctx(1, shuffle, itemsize, len(raw), raw, data, room, b"zstd", block, 1)
    assert 0 < length <= room
    return data[:length]


def decompressed(data: bytes, length: int) -> bytes:
    """The ``length`` raw bytes in a buffer as long as its header says; raises ValueError."""
    raw = _new_bytes(length)
    decompress(data, ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p), length)
    return raw


def decompress(data: bytes, place: int | ctypes.c_void_p, length: int) -> None:
    """Write what :func:`decompressed` gives to a place in memory, given by its address."""
    library = _library()
    if not library:
        from numcodecs import blosc

        blosc.use_threads = False
        try:
            ctypes.memmove(place, blosc.decompress(data), length)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    elif library.blosc_decompress_ctx(data, place, length, 1) != length:
        raise ValueError("error during blosc decompression")


@cache
def _library() -> ctypes.CDLL | None:
    """The extension module of numcodecs as a C library; None where it does not export the functions."""
    package = PathFinder.find_spec("numcodecs")
    module = package and PathFinder.find_spec("numcodecs.blosc", package.submodule_search_locations)
    if not module or not module.origin:
        return None
    size, pointer, number, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    try:
        library = ctypes.CDLL(module.origin)
        library.blosc_compress_ctx.argtypes = (
            number, number, size, size, pointer, pointer, size, text, size, number
        )  # fmt: skip
        library.blosc_decompress_ctx.argtypes = (pointer, pointer, size, number)
    except (OSError, AttributeError):
        return None
    return library


def _new_bytes(length: int) -> bytes:
    """Bytes of this length (not 0) that nobody else has yet, for a C function to write to."""
    allocate = ctypes.pythonapi.PyBytes_FromStringAndSize
    allocate.restype = ctypes.py_object
    made: bytes = allocate(None, ctypes.c_ssize_t(length))
    return made
