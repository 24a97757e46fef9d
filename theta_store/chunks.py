"""Chunks: the pieces, one object each, in which a group's bytes are read, stored and restored."""

from __future__ import annotations

import os
from collections.abc import Iterator

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import element_count

MAX_CHUNK = 16 << 20
"""raw bytes in one object, at most: what bounds the memory of every reader and writer"""

WORKERS = min(4, os.cpu_count() or 1)
"""threads that read, hash, encode and decode; each holds some chunks, and more would only wait for git's pipe"""


def chunk_length(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes in each chunk but the last of a tensor: whole rows where a row fits, else whole elements.

    Row-aligned chunks keep what a grown vocabulary shares with the smaller one.
    """
    itemsize = DTYPES[dtype].itemsize
    row = itemsize * element_count(shape[1:])
    if not 0 < row <= MAX_CHUNK:
        row = itemsize
    return MAX_CHUNK - MAX_CHUNK % row


def chunk_ranges(length: int, step: int) -> Iterator[tuple[int, int]]:
    """``(start, length)`` of each piece of ``length`` bytes cut every ``step`` bytes."""
    for start in range(0, length, step):
        yield start, min(step, length - start)


def resized(chunk: bytes, length: int) -> bytes:
    """The chunk cut, or filled up with zeros, to ``length`` bytes."""
    return chunk[:length].ljust(length, b"\0")
