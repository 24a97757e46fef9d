from __future__ import annotations

import pytest

from theta_checkpoint.layout import Checksum
from theta_checkpoint.skeleton import BadSkeleton
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_checkpoint.skeleton import decoded
from theta_checkpoint.skeleton import encoded

SEGMENTS: list[Segment] = [
    Literal(b"header\n\0"),
    Hole("new\nline", 12),
    Checksum("crc32", 20, ((8, 20),)),
    Checksum("serialization-id", 24, ((0, 8), (8, 20))),
    Literal(b"tail"),
]


def test_segments_survive_their_encoding() -> None:
    assert decoded(encoded(SEGMENTS)) == SEGMENTS


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[[1]]\n", b'[["hole"]]\n', b'[["literal",9]]\nshort', encoded(SEGMENTS)[:-1]]
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadSkeleton):
        decoded(data)


@pytest.mark.parametrize(
    "facts",
    [
        b'[["literal",4],["literal",-4],["literal",4]]',  # the same bytes many times
        b'[["literal",true]]',
        b'[["hole","a",-1]]',
        b'[["hole",3,1]]',
        b'[["hole","a",1e999]]',
        b'[["crc32",-5,[[0,1]]]]',
        b'[["crc32",0,[]]]',
        b'[["crc32",0,[["a","b"]]]]',
        b'[["crc32",0,[[0,1],[1,2]]]]',
        b'[["serialization-id",0,[[0,[1]]]]]',
        b'[["serialization-id",0,[5]]]',
        b"[" * 100_000,
        b"[1" + b"0" * 5000 + b"]",
    ],
)
def test_hostile_segments_are_refused(facts: bytes) -> None:
    with pytest.raises(BadSkeleton):
        decoded(facts + b"\nabcd")
