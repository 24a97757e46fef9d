"""CRC-32 of byte ranges of a file, and the checksum fields that follow from them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Mapping

from theta_checkpoint.checksums import serialization_id
from theta_checkpoint.layout import Checksum

Range = tuple[int, int]
"""``(start, end)`` in bytes"""


def expected_bytes(checksum: Checksum, crcs: Mapping[Range, int]) -> bytes:
    """What stands at the checksum's position if it agrees with the CRC-32 of its ranges."""
    values = [crcs[pair] for pair in checksum.ranges]
    if checksum.kind == "crc32":
        return values[0].to_bytes(4, "little")
    return serialization_id(values).encode()


class RunningCrcs:
    """CRC-32 of ranges of a file that goes by piece after piece."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self.values = dict.fromkeys(ranges, 0)
        self.position = 0
        self._open = sorted(self.values, reverse=True)

    def update(self, piece: bytes) -> None:
        """Take the next piece of the file."""
        start, end = self.position, self.position + len(piece)
        while self._open and self._open[-1][0] < end:
            pair = self._open[-1]
            part = memoryview(piece)[max(pair[0] - start, 0) : pair[1] - start]
            self.values[pair] = zlib.crc32(part, self.values[pair])
            if pair[1] > end:
                break
            self._open.pop()
        self.position = end
