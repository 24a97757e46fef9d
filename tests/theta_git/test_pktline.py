from __future__ import annotations

import os
import threading

import pytest

from theta_git.pktline import MAX_PAYLOAD
from theta_git.pktline import PacketReader
from theta_git.pktline import PacketWriter
from theta_git.pktline import joined

SMALL, LARGE = b"s" * 1000, b"L" * (3 * MAX_PAYLOAD + 5)


@pytest.mark.parametrize("pieces", [[], [b""], [SMALL] * 200, [LARGE], [SMALL, LARGE, SMALL, SMALL], [LARGE, LARGE]])
def test_content_arrives_whole_however_it_is_cut(pieces: list[bytes]) -> None:
    ours, theirs = os.pipe()
    sending = threading.Thread(target=_send, args=(PacketWriter(theirs), pieces))
    sending.start()
    assert b"".join(PacketReader(ours).packets()) == b"".join(pieces)
    sending.join()
    os.close(ours)
    os.close(theirs)


def test_small_pieces_are_joined_and_large_ones_are_not_copied() -> None:
    assert [len(piece) for piece in joined([SMALL] * 100)] == [66_000, 34_000]
    pieces = list(joined([SMALL, SMALL, LARGE, SMALL]))
    assert [len(piece) for piece in pieces] == [2000, len(LARGE), 1000]
    assert pieces[1] is LARGE


def _send(writer: PacketWriter, pieces: list[bytes]) -> None:
    writer.content(pieces)
    writer.flush()
