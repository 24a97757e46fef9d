"""The skeleton: everything of a checkpoint file that is not tensor bytes, with holes where they were.

A skeleton is a list of segments in file order. On disk it is one line of JSON that lists them, then the
literal bytes one after the other.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from itertools import groupby
from typing import Any

from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Checksum

MAX_FACTS = 1 << 29
"""bytes that the list of segments may have: some two million groups"""


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes kept as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a group's bytes."""

    name: str
    length: int
    """bytes"""


Segment = Literal | Hole | Checksum


class Blanked:
    """The file that a skeleton is of, with zeros for what it lacks; a :class:`theta_checkpoint.layout.Source`."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        lengths = [len(segment.data) if isinstance(segment, Literal) else segment.length for segment in segments]
        self._starts = [0, *accumulate(lengths)]
        self.size = self._starts[-1]

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`theta_checkpoint.layout.Source.read`."""
        end = min(offset + length, self.size)
        pieces = []
        number = bisect_right(self._starts, offset) - 1
        while offset < end:
            segment, start = self._segments[number], self._starts[number]
            stop = min(end, self._starts[number + 1])
            if isinstance(segment, Literal):
                pieces.append(segment.data[offset - start : stop - start])
            else:
                pieces.append(bytes(stop - offset))
            offset = stop
            number += 1
        return b"".join(pieces)


class BadSkeleton(Failure):
    """The bytes are not a skeleton."""


def normal(segments: Iterable[Segment]) -> list[Segment]:
    """The segments in the one form that clean finds in the file: literals as long as can be, empty holes by name."""
    found: list[Segment] = []
    for kind, run in groupby(segments, key=_run):
        if kind == "literals":
            data = b"".join(segment.data for segment in run if isinstance(segment, Literal))
            found += [Literal(data)] if data else []
        elif kind == "empty holes":
            found += sorted(run, key=lambda hole: hole.name if isinstance(hole, Hole) else "")
        else:
            found += run
    return found


def _run(segment: Segment) -> str:
    if isinstance(segment, Hole) and not segment.length:
        return "empty holes"
    return "literals" if isinstance(segment, Literal) else "others"


def encoded(segments: list[Segment]) -> bytes:
    """The skeleton as bytes."""
    facts: list[list[object]] = []
    for segment in segments:
        match segment:
            case Literal(data):
                facts.append(["literal", len(data)])
            case Hole(name, length):
                facts.append(["hole", name, length])
            case Checksum(kind, position, ranges):
                facts.append([kind, position, ranges])
    literals = b"".join(segment.data for segment in segments if isinstance(segment, Literal))
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n" + literals


def decoded(data: bytes) -> list[Segment]:
    """The segments that :func:`encoded` wrote; raises :class:`BadSkeleton`."""
    head, _, literals = data.partition(b"\n")
    segments: list[Segment] = []
    taken = 0
    for number, fact in enumerate(_facts(head)):
        match fact:
            case ["literal", length] if _are_sizes(length):
                segments.append(Literal(literals[taken : taken + length]))
                taken += length
            case ["hole", str(name), length] if _are_sizes(length):
                segments.append(Hole(name, length))
            case ["crc32", position, [[start, end]]] if _are_sizes(position, start, end):
                segments.append(Checksum("crc32", position, ((start, end),)))
            case ["serialization-id", position, list(ranges)] if _are_sizes(position) and all(map(_is_range, ranges)):
                segments.append(Checksum("serialization-id", position, tuple((start, end) for start, end in ranges)))
            case _:
                raise BadSkeleton(f"damaged skeleton: segment {number} is not a segment")
    if taken != len(literals):
        raise BadSkeleton(f"damaged skeleton: {len(literals)} literal bytes, {taken} listed")
    return segments


def _facts(head: bytes) -> list[Any]:
    """The list of segments, still as JSON has them."""
    if len(head) > MAX_FACTS:
        raise BadSkeleton(f"damaged skeleton: {len(head):,} bytes of segments")
    try:
        facts = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise BadSkeleton(f"damaged skeleton: {error}") from error
    if not isinstance(facts, list):
        raise BadSkeleton("damaged skeleton: no list of segments")
    return facts


def _is_range(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and _are_sizes(*pair)


def _are_sizes(*numbers: object) -> bool:
    return all(type(number) is int and 0 <= number < 2**63 for number in numbers)
