"""What this clone already knows: manifests by file digest or root, recipes and sketches by group digest, file digests.

Only a cache, in one SQLite file under ``.git/theta``: whatever is wrong with it (locked, damaged, read-only),
the answer is "not known" and the work is done again. Each row bears a checksum, since SQLite itself has none: a flipped
bit in a recipe would otherwise get into a manifest, and from there into history.
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
    "CREATE TABLE IF NOT EXISTS recipes (digest BLOB PRIMARY KEY, recipe BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS sketches (digest BLOB PRIMARY KEY, sketch BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS seen (digest BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS kin (kind BLOB NOT NULL, digest BLOB NOT NULL, UNIQUE (kind, digest))",
)
_COLUMNS = {"files": "manifest", "recipes": "recipe", "sketches": "sketch", "seen": "content"}
_BATCH = 500
_DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
"""what a damaged file makes SQLite raise, and Python, which takes its messages for UTF-8"""

Result = TypeVar("Result")


class Registry:
    """The cache of one repository."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, digest: str) -> bytes | None:
        """The manifest of a file whose bytes have this BLAKE3 digest, or the manifest of this root."""
        found = self._found("files", [digest])
        return zlib.decompress(found[digest]) if found else None

    def content(self, state: str) -> str | None:
        """The BLAKE3 digest of the bytes that a file in this state had, see :func:`theta_store.seen.state`."""
        found = self._found("seen", [state])
        return found[state].hex() if found else None

    def recipes(self, digests: Sequence[str]) -> dict[str, Recipe]:
        """The recipes known for these group digests."""
        return {digest: _recipe(digest, text.decode()) for digest, text in self._found("recipes", digests).items()}

    def sketches(self, digests: Sequence[str]) -> dict[str, bytes]:
        """The sketch rows known for these group digests."""
        return self._found("sketches", digests)

    def damage(self) -> str | None:
        """What is wrong with the file, in words; None if nothing is. Nothing is mended."""
        if not self._path.exists():
            return None
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=5)) as database:
                tables = [(table, database.execute(f"SELECT * FROM {table}")) for table in _COLUMNS]
                wrong = {table: sum(_opened(key, sealed) is None for key, sealed in rows) for table, rows in tables}
        except sqlite3.OperationalError:
            return None
        except _DAMAGED as error:
            return str(error)
        return next((f"{count} of its {table} are damaged" for table, count in wrong.items() if count), None)

    def kin(self, kinds: Sequence[bytes], most: int) -> dict[bytes, list[str]]:
        """For each kind of group, the digests last seen of it, ``most`` of them."""

        def select(database: sqlite3.Connection) -> dict[bytes, list[str]]:
            found: dict[bytes, list[str]] = {}
            for kind in kinds:
                rows = database.execute(
                    "SELECT digest FROM kin WHERE kind = ? ORDER BY rowid DESC LIMIT ?", (kind, most)
                )
                # a damaged row may be of any type, and a digest that was flipped is that of nothing
                found[kind] = [digest.hex() for (digest,) in rows if isinstance(digest, bytes)]
            return found

        return self._attempted(select, {})

    def remember(
        self,
        manifests: Iterable[tuple[str, bytes]] = (),
        recipes: Iterable[Recipe] = (),
        sketches: Iterable[tuple[str, bytes]] = (),
        kin: Iterable[tuple[bytes, str]] = (),
        seen: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Add what was learnt.

        Manifests by file digest or root, recipes, sketch rows by group digest, kin by kind, file digests by state.
        """
        files = [_sealed(digest, zlib.compress(text, 1)) for digest, text in manifests]
        texts = [_sealed(recipe.digest, _text(recipe).encode()) for recipe in recipes]
        rows = [_sealed(digest, row) for digest, row in sketches]
        contents = [_sealed(state, bytes.fromhex(digest)) for state, digest in seen]
        pairs = [(kind, bytes.fromhex(digest)) for kind, digest in kin]

        def insert(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", files)
            database.executemany("INSERT OR REPLACE INTO recipes VALUES (?, ?)", texts)
            database.executemany("INSERT OR REPLACE INTO sketches VALUES (?, ?)", rows)
            database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", contents)
            database.executemany("INSERT OR IGNORE INTO kin VALUES (?, ?)", pairs)

        self._attempted(insert, None)

    def forget_manifests(self) -> None:
        """Forget which manifest belongs to which file, after the history was given other ones."""
        self._attempted(lambda database: database.execute("DELETE FROM files").close(), None)

    def _found(self, table: str, digests: Sequence[str]) -> dict[str, bytes]:
        column = _COLUMNS[table]

        def select(database: sqlite3.Connection) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for start in range(0, len(digests), _BATCH):
                keys = [bytes.fromhex(digest) for digest in digests[start : start + _BATCH]]
                marks = ",".join("?" * len(keys))
                rows = database.execute(f"SELECT digest, {column} FROM {table} WHERE digest IN ({marks})", keys)
                opened = ((key.hex(), _opened(key, sealed)) for key, sealed in rows)
                found.update((digest, value) for digest, value in opened if value is not None)
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
        except OSError:
            return otherwise
        except _DAMAGED:
            self._path.unlink(missing_ok=True)
            return otherwise


def _sealed(digest: str, value: bytes) -> tuple[bytes, bytes]:
    """A row: its key, and the value behind a CRC-32 of both."""
    key = bytes.fromhex(digest)
    return key, zlib.crc32(value, zlib.crc32(key)).to_bytes(4, "little") + value


def _opened(key: Any, sealed: Any) -> bytes | None:
    """The value of a row; None if a bit of it is not as it was written. A damaged row may be of any type."""
    if not isinstance(key, bytes) or not isinstance(sealed, bytes):
        return None
    value = sealed[4:]
    return value if zlib.crc32(value, zlib.crc32(key)).to_bytes(4, "little") == sealed[:4] else None


def _text(recipe: Recipe) -> str:
    span = ",".join(map(str, recipe.span or ()))
    return " ".join((recipe.encoding, ",".join(recipe.bases) or "-", span or "-", *recipe.oids))


def _recipe(digest: str, text: str) -> Recipe:
    encoding, bases, span, *oids = text.split()
    offset, _, length = span.partition(",")
    return Recipe(
        digest,
        encoding,
        tuple(oids),
        () if bases == "-" else tuple(bases.split(",")),
        (int(offset), int(length)) if length else None,
    )
