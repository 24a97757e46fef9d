"""The skeleton: everything of a checkpoint file that is not tensor bytes, with holes where they were.

A skeleton is a list of segments in file order. On disk it is one line of JSON that lists them, then the
literal bytes one after the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Checksum


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


class BadSkeleton(Failure):
    """The bytes are not a skeleton."""


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
                facts.append([kind, position, [list(pair) for pair in ranges]])
    literals = b"".join(segment.data for segment in segments if isinstance(segment, Literal))
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n" + literals


def decoded(data: bytes) -> list[Segment]:
    """The segments that :func:`encoded` wrote; raises :class:`BadSkeleton`."""
    head, _, literals = data.partition(b"\n")
    segments: list[Segment] = []
    taken = 0
    try:
        facts = json.loads(head)
        if not isinstance(facts, list):
            raise BadSkeleton("damaged skeleton: no list of segments")
        for fact in facts:
            match fact:
                case ["literal", int(length)]:
                    segments.append(Literal(literals[taken : taken + length]))
                    taken += length
                case ["hole", str(name), int(length)]:
                    segments.append(Hole(name, length))
                case ["crc32" | "serialization-id" as kind, int(position), list(ranges)]:
                    segments.append(Checksum(kind, position, tuple((start, end) for start, end in ranges)))
                case _:
                    raise BadSkeleton(f"unknown segment {fact!r}")
    except (ValueError, TypeError) as error:
        raise BadSkeleton(f"damaged skeleton: {error}") from error
    if taken != len(literals):
        raise BadSkeleton(f"damaged skeleton: {len(literals)} literal bytes, {taken} listed")
    return segments
