from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from theta_git.pktline import MAX_PAYLOAD
from theta_git.pktline import BadPacket
from theta_git.pktline import PacketReader
from theta_git.pktline import PacketWriter
from theta_git.pktline import joined

SMALL, LARGE = b"s" * 1000, b"L" * (3 * MAX_PAYLOAD + 5)


PIECES = [[], [b""], [SMALL] * 200, [LARGE], [SMALL, LARGE, SMALL, SMALL], [LARGE, LARGE], [LARGE * 20, SMALL, LARGE]]


@pytest.mark.parametrize("pieces", PIECES)
def test_content_arrives_whole_however_it_is_cut(pieces: list[bytes]) -> None:
    with sent(lambda writer: _send(writer, pieces)) as reader:
        assert b"".join(reader.packets()) == b"".join(pieces)


@pytest.mark.parametrize("pieces", PIECES)
def test_content_arrives_whole_in_pieces_that_share_their_memory(pieces: list[bytes]) -> None:
    with sent(lambda writer: _send(writer, pieces)) as reader:
        assert b"".join(bytes(piece) for piece in reader.content()) == b"".join(pieces)


def test_what_follows_content_is_read_after_it() -> None:
    def send(writer: PacketWriter) -> None:
        for number in range(40):
            writer.texts(f"number={number}")
            _send(writer, [LARGE * number, SMALL])

    with sent(send) as reader:
        for number in range(40):
            assert reader.texts() == [f"number={number}"]
            assert sum(len(piece) for piece in reader.content()) == number * len(LARGE) + len(SMALL)


@pytest.mark.parametrize("stream", [b"", b"00", b"000cshort", b"0008full"])
def test_a_stream_that_ends_before_its_flush_packet_is_an_end_of_file(stream: bytes) -> None:
    with sent_bytes(stream) as reader, pytest.raises(EOFError):
        list(reader.content())


@pytest.mark.parametrize("stream", [b"zzzz", b"0003", b"fff5", b"ffff"])
def test_what_is_no_packet_is_refused(stream: bytes) -> None:
    with sent_bytes(stream) as reader, pytest.raises(BadPacket):
        list(reader.content())


def test_small_pieces_are_joined_and_large_ones_are_not_copied() -> None:
    assert [len(piece) for piece in joined([SMALL] * 100)] == [66_000, 34_000]
    pieces = list(joined([SMALL, SMALL, LARGE, SMALL]))
    assert [len(piece) for piece in pieces] == [2000, len(LARGE), 1000]
    assert pieces[1] is LARGE


@contextlib.contextmanager
def sent(send: Callable[[PacketWriter], None]) -> Iterator[PacketReader]:
    """A reader of what ``send`` writes meanwhile."""
    ours, theirs = os.pipe()
    sending = threading.Thread(target=lambda: send(PacketWriter(theirs)), daemon=True)
    sending.start()
    yield PacketReader(ours)
    sending.join()
    os.close(ours)
    os.close(theirs)


@contextlib.contextmanager
def sent_bytes(stream: bytes) -> Iterator[PacketReader]:
    """A reader of these few bytes and no more."""
    ours, theirs = os.pipe()
    os.write(theirs, stream)
    os.close(theirs)
    yield PacketReader(ours)
    os.close(ours)


def _send(writer: PacketWriter, pieces: list[bytes]) -> None:
    writer.content(pieces)
    writer.flush()
