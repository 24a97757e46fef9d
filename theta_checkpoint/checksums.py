"""Checksums that a file carries of its own bytes."""

from __future__ import annotations

from collections.abc import Iterable

_MASK = 2**64 - 1


def serialization_id(crcs: Iterable[int]) -> str:
    """The last 20 digits of PyTorch's ``.data/serialization_id`` record.

    ``crcs`` are the CRC-32 of every other record's bytes, in the order in which they were written;
    records of no bytes are left out.
    Source: ``PyTorchStreamWriter`` and ``c10::hash_combine`` of PyTorch.
    """
    combined = 0
    for crc in crcs:
        combined ^= (crc + 0x9E3779B9 + (combined << 6) + (combined >> 2)) & _MASK
    return f"{combined:020d}"
