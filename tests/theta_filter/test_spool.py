"""What is piped to clean is what clean reads, whatever lies in the working tree and happens there meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from theta_filter.spool import Spooled
from theta_filter.spool import spooled
from theta_store.reading import FileChanged
from theta_store.seen import state

PIECE = 100_000
PIPED = os.urandom(5 * PIECE + 1)


def in_pieces(data: bytes, before: Callable[[int], object] = lambda number: None) -> Iterator[memoryview]:
    """The data as the filter process hands it on, every piece in the same memory; something happens before each."""
    memory = bytearray(PIECE)
    for number, start in enumerate(range(0, len(data), PIECE)):
        before(number)
        piece = data[start : start + PIECE]
        memory[: len(piece)] = piece
        yield memoryview(memory)[: len(piece)]


def held(spool: Spooled) -> bytes:
    """All that can be read of it; reading behind the end adds nothing."""
    return spool.source.read(0, spool.source.size + 1000)


def write_at(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


IN_WORKING_TREE: dict[str, Callable[[Path], object]] = {
    "the same": lambda path: path.write_bytes(PIPED),
    "nothing": lambda path: None,
    "an empty file": lambda path: path.write_bytes(b""),
    "another first byte": lambda path: path.write_bytes(bytes([PIPED[0] ^ 1]) + PIPED[1:]),
    "another byte in the middle": lambda path: path.write_bytes(PIPED[:250_000] + b"!" + PIPED[250_001:]),
    "another last byte": lambda path: path.write_bytes(PIPED[:-1] + bytes([PIPED[-1] ^ 1])),
    "less": lambda path: path.write_bytes(PIPED[: 2 * PIECE]),
    "more": lambda path: path.write_bytes(PIPED + b"more"),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a symbolic link": lambda path: path.symlink_to(__file__),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("place", IN_WORKING_TREE.values(), ids=IN_WORKING_TREE)
@pytest.mark.parametrize("length", [0, 1, PIECE, PIECE + 1, len(PIPED)])
def test_the_piped_bytes_are_read_whatever_is_in_the_working_tree(
    tmp_path: Path, place: Callable[[Path], object], length: int
) -> None:
    place(tmp_path / "model.pt")
    piped = PIPED[:length]
    with spooled(in_pieces(piped), tmp_path / "model.pt", tmp_path / "copies") as spool:
        assert held(spool) == piped
        assert spool.source.size == length
        assert spool.digest == blake3(piped).hexdigest()
        spool.check_unchanged()


def test_the_working_tree_file_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(PIPED)
    (tmp_path / "copies").write_bytes(b"no folder")
    with spooled(in_pieces(PIPED), tmp_path / "model.pt", tmp_path / "copies") as spool:
        assert held(spool) == PIPED


def test_a_file_changed_where_it_was_read_already_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(PIPED)

    def change(number: int) -> None:
        if number == 3:
            write_at(path, 0, b"changed")
            write_at(path, 3 * PIECE, b"changed")

    with pytest.raises(FileChanged, match="add it again"), spooled(in_pieces(PIPED, change), path, tmp_path):
        pass


def test_a_file_changed_where_it_was_not_read_yet_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(PIPED)

    def change(number: int) -> None:
        if number == 3:
            write_at(path, 4 * PIECE, b"changed")

    with spooled(in_pieces(PIPED, change), path, tmp_path) as spool:
        assert held(spool) == PIPED


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_a_file_that_leaves_its_place_meanwhile_is_read_as_it_was(tmp_path: Path, action: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(PIPED)
    (tmp_path / "new").write_bytes(PIPED[::-1])

    def leave(number: int) -> None:
        if number == 3:
            path.unlink() if action == "delete" else (tmp_path / "new").replace(path)

    with spooled(in_pieces(PIPED, leave), path, tmp_path) as spool:
        assert held(spool) == PIPED


def test_what_is_written_after_the_piping_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(PIPED)
    os.utime(path, (0, 0))
    with spooled(in_pieces(PIPED), path, tmp_path) as spool:
        spool.check_unchanged()
        write_at(path, len(PIPED), b"more")
        with pytest.raises(FileChanged, match="add it again"):
            spool.check_unchanged()


def test_a_large_file_is_known_by_its_state_and_a_part_of_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    data = os.urandom(1 << 20) * 16
    path.write_bytes(data)
    whole = [data[start : start + (1 << 20)] for start in range(0, len(data), 1 << 20)]
    assert _state(whole, path) in (None, state(path.stat()))
    assert _state(whole[:-1], path) is None
    assert _state([*whole[:-1], b"another end"], path) is None


def _state(pieces: list[bytes], path: Path) -> str | None:
    with spooled(pieces, path, path.parent) as spool:
        return spool.state
