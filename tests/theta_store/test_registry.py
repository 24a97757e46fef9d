from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from theta_checkpoint.manifest import Recipe
from theta_store.registry import Registry

DIGEST = "ab" * 32
RECIPE = Recipe(DIGEST, "dense", ("cd" * 32, "ef" * 32))


def test_what_was_remembered_is_known_to_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "known.sqlite"
    Registry(path).remember([(DIGEST, b"theta 1\n")], [RECIPE], [(DIGEST, b"row")], seen=[("12" * 32, DIGEST)])
    registry = Registry(path)
    assert registry.content("12" * 32) == DIGEST
    assert registry.content("34" * 32) is None
    assert registry.manifest(DIGEST) == b"theta 1\n"
    assert registry.recipes([DIGEST, "00" * 32]) == {DIGEST: RECIPE}
    assert registry.sketches([DIGEST]) == {DIGEST: b"row"}


def test_recipes_are_known_as_they_were(tmp_path: Path) -> None:
    bases = ("01" * 32, "02" * 32)
    for recipe in (
        RECIPE,
        Recipe(DIGEST, "delta", ("cd" * 32,), bases[:1]),
        Recipe(DIGEST, "blend", ("cd" * 32,), bases, (20, 300)),
    ):
        registry = Registry(tmp_path / "known.sqlite")
        registry.remember(recipes=[recipe])
        assert registry.recipes([DIGEST]) == {DIGEST: recipe}


def test_thousands_of_digests_are_asked_at_once(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "known.sqlite")
    recipes = [Recipe(f"{number:064x}", "dense", ()) for number in range(3000)]
    registry.remember(recipes=recipes)
    assert len(registry.recipes([recipe.digest for recipe in recipes])) == 3000


def test_a_damaged_registry_knows_nothing_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "known.sqlite"
    path.write_bytes(b"not a database" * 1000)
    registry = Registry(path)
    assert registry.manifest(DIGEST) is None
    registry.remember([(DIGEST, b"theta 1\n")])
    assert registry.manifest(DIGEST) == b"theta 1\n"


def test_after_any_flipped_bit_what_is_known_is_true_and_the_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "known.sqlite"
    Registry(path).remember(
        [(DIGEST, b"theta 1\n")], [RECIPE], [(DIGEST, b"row")], [(b"kind", DIGEST)], [(DIGEST, DIGEST)]
    )
    assert Registry(path).damage() is None
    sound = path.read_bytes()
    told = 0
    for place in range(0, len(sound), 13):
        data = bytearray(sound)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        damage = Registry(path).damage()
        registry = Registry(path)
        known = (registry.manifest(DIGEST), registry.recipes([DIGEST]), registry.sketches([DIGEST]))
        assert all(isinstance(digest, str) for digest in registry.kin([b"kind"], 8).get(b"kind", []))
        assert registry.content(DIGEST) in (None, DIGEST)
        assert known[0] in (None, b"theta 1\n")
        assert known[1] in ({}, {DIGEST: RECIPE})
        assert known[2] in ({}, {DIGEST: b"row"})
        told += damage is not None
    assert told


@pytest.mark.parametrize(
    ("table", "column"), [("files", "manifest"), ("recipes", "recipe"), ("sketches", "sketch"), ("seen", "content")]
)
def test_a_damaged_row_is_not_known_and_told(tmp_path: Path, table: str, column: str) -> None:
    path = tmp_path / "known.sqlite"
    registry = Registry(path)
    registry.remember([(DIGEST, b"theta 1\n")], [RECIPE], [(DIGEST, b"row")], seen=[(DIGEST, DIGEST)])
    with closing(sqlite3.connect(path)) as database, database:
        ((row,),) = database.execute(f"SELECT {column} FROM {table}").fetchall()
        flipped = row[:-1] + bytes([row[-1] ^ 1])
        database.execute(f"UPDATE {table} SET {column} = ?", (flipped,))
    assert registry.damage() == f"1 of its {table} are damaged"
    assert not {"files": registry.manifest(DIGEST), "recipes": registry.recipes([DIGEST])}.get(table)
    assert not (table == "seen" and registry.content(DIGEST))
    assert not (table == "sketches" and registry.sketches([DIGEST]))


def test_the_last_of_a_kind_are_known(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "known.sqlite")
    digests = [f"{number:064x}" for number in range(4)]
    registry.remember(kin=[(b"a", digest) for digest in digests] + [(b"a", digests[0]), (b"b", digests[0])])
    assert registry.kin([b"a", b"b", b"c"], 3) == {b"a": digests[:0:-1], b"b": digests[:1], b"c": []}


def test_a_registry_that_cannot_be_written_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    registry = Registry(tmp_path / "file" / "known.sqlite")
    registry.remember([(DIGEST, b"theta 1\n")])
    assert registry.manifest(DIGEST) is None
