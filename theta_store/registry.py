"""What this clone already knows: manifests by file digest or root, recipes and sketches by group digest.

Only a cache, in one SQLite file under ``.git/theta``: whatever is wrong with it (locked, damaged, read-only),
the answer is "not known" and the work is done again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import TypeVar

from theta_checkpoint.manifest import Recipe

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS files (digest BLOB PRIMARY KEY, manifest BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS recipes (digest BLOB PRIMARY KEY, recipe TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS sketches (digest BLOB PRIMARY KEY, sketch BLOB NOT NULL) WITHOUT ROWID",
)
_BATCH = 500

Result = TypeVar("Result")


class Registry:
    """The cache of one repository."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, digest: str) -> bytes | None:
        """The manifest of a file whose bytes have this BLAKE3 digest, or the manifest of this root."""
        found = self._found("files", "manifest", [digest])
        try:
            return zlib.decompress(found[digest]) if found else None
        except zlib.error:
            return None

    def recipes(self, digests: Sequence[str]) -> dict[str, Recipe]:
        """The recipes known for these group digests."""
        found = self._found("recipes", "recipe", digests)
        return {digest: _recipe(digest, text) for digest, text in found.items()}

    def sketches(self, digests: Sequence[str]) -> dict[str, bytes]:
        """The sketch rows known for these group digests."""
        return self._found("sketches", "sketch", digests)

    def remember(
        self,
        manifests: Iterable[tuple[str, bytes]] = (),
        recipes: Iterable[Recipe] = (),
        sketches: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Add what was learnt: manifests by file digest or root, recipes, sketch rows by group digest."""
        files = [(bytes.fromhex(digest), zlib.compress(text, 1)) for digest, text in manifests]
        texts = [(bytes.fromhex(recipe.digest), _text(recipe)) for recipe in recipes]
        rows = [(bytes.fromhex(digest), row) for digest, row in sketches]

        def insert(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", files)
            database.executemany("INSERT OR REPLACE INTO recipes VALUES (?, ?)", texts)
            database.executemany("INSERT OR REPLACE INTO sketches VALUES (?, ?)", rows)

        self._attempted(insert, None)

    def _found(self, table: str, column: str, digests: Sequence[str]) -> dict[str, Any]:
        def select(database: sqlite3.Connection) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for start in range(0, len(digests), _BATCH):
                keys = [bytes.fromhex(digest) for digest in digests[start : start + _BATCH]]
                marks = ",".join("?" * len(keys))
                rows = database.execute(f"SELECT digest, {column} FROM {table} WHERE digest IN ({marks})", keys)
                found.update((digest.hex(), value) for digest, value in rows)
            return found

        return self._attempted(select, {})

    def _attempted(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """What the work on the open database gives; ``otherwise`` if there is any trouble with it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._path, timeout=5)) as database, database:
                database.execute("PRAGMA synchronous = OFF")
                for table in _SCHEMA:
                    database.execute(table)
                return work(database)
        except sqlite3.OperationalError:
            return otherwise
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return otherwise
        except OSError:
            return otherwise


def _text(recipe: Recipe) -> str:
    span = ",".join(map(str, recipe.span or ()))
    return " ".join((recipe.encoding, recipe.base or "-", span or "-", *recipe.oids))


def _recipe(digest: str, text: str) -> Recipe:
    encoding, base, span, *oids = text.split()
    offset, _, length = span.partition(",")
    return Recipe(
        digest,
        encoding,
        tuple(oids),
        None if base == "-" else base,
        (int(offset), int(length)) if length else None,
    )
