from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from theta_checkpoint.manifest import Recipe
from theta_store.registry import Registry

DIGEST = "ab" * 32
RECIPE = Recipe(DIGEST, "dense", ("cd" * 32, "ef" * 32))


def test_what_was_remembered_is_known_to_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "known.sqlite"
    Registry(path).remember([(DIGEST, b"theta 1\n")], [RECIPE], [(DIGEST, b"row")])
    registry = Registry(path)
    assert registry.manifest(DIGEST) == b"theta 1\n"
    assert registry.recipes([DIGEST, "00" * 32]) == {DIGEST: RECIPE}
    assert registry.sketches([DIGEST]) == {DIGEST: b"row"}


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


def test_a_flipped_bit_in_a_remembered_manifest_is_as_if_it_were_not_known(tmp_path: Path) -> None:
    path = tmp_path / "known.sqlite"
    registry = Registry(path)
    registry.remember([(DIGEST, b"theta 1\n")])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE files SET manifest = x'789c00'")
    assert registry.manifest(DIGEST) is None


def test_a_registry_that_cannot_be_written_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    registry = Registry(tmp_path / "file" / "known.sqlite")
    registry.remember([(DIGEST, b"theta 1\n")])
    assert registry.manifest(DIGEST) is None
