"""Objects: immutable bytes in a folder, in files named by their SHA-256.

An object's id is its SHA-256 and its length in bytes, ``HEX:123``; an id without the length is understood as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_store import links

MAX_OBJECT = 1 << 30
"""bytes; chunks and bundles have some 16 MiB, and the sketches of a million groups 288 MB"""

_LENDERS = 6
"""how many stores are read one behind the other: as many as git reads"""

_MEND = "look for a good copy with: git theta fsck --repair"


class MissingObject(Failure):
    """An object that a manifest names is not in this store."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"object {oid[:12]} is not here; get it with: git theta fetch")
        self.oid = oid


class CorruptObject(Failure):
    """An object's bytes are not what its name or its digest says."""


class StoreNotWritable(Failure):
    """An object could not be written; nothing of it is left."""


@dataclass(frozen=True)
class ObjectStore:
    """The objects under one folder, shared by all worktrees of a repository.

    They are read from other places too: from what gc set aside and has not deleted yet, from the stores whose
    folders ``info/alternates`` lists, one a line, and from those of the repositories from which git itself borrows
    objects (``git clone --reference``); and from where these read in turn.
    """

    folder: Path
    """``.git/theta/objects``"""

    @property
    def aside(self) -> Path:
        """Where gc puts what nothing needs, before it deletes it."""
        return self.folder.parent / "aside"

    @cached_property
    def places(self) -> tuple[Path, ...]:
        """Every folder in which an object may lie, our own first."""
        found: dict[Path, None] = {}
        stores = [self]
        for _ in range(_LENDERS):
            found.update((place, None) for store in stores for place in (store.folder, store.aside))
            stores = [ObjectStore(lender) for store in stores for lender in store.lenders if lender not in found]
        return tuple(found)

    @property
    def lenders(self) -> list[Path]:
        """The folders of objects from which this store borrows."""
        lent = _lines(self.folder / "info" / "alternates")
        git_objects = self.folder.parent.parent / "objects"
        beside = (git_objects / line for line in _lines(git_objects / "info" / "alternates"))
        return [*(self.folder / line for line in lent), *(place.parent / "theta" / "objects" for place in beside)]

    def path(self, oid: str) -> Path:
        """Where the object lies; where it would be written if it is nowhere."""
        name = hash_of(oid)
        paths = (folder / name[:2] / name for folder in self.places)
        return next((path for path in paths if path.exists()), self.own_path(oid))

    def own_path(self, oid: str) -> Path:
        """Where the object lies once it is written here."""
        return self.folder / oid[:2] / hash_of(oid)

    def has(self, oid: str) -> bool:
        """Whether the object is here."""
        name = hash_of(oid)
        return any(os.path.exists(f"{folder}/{name[:2]}/{name}") for folder in self.places)

    def read(self, oid: str, span: tuple[int, int] | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``, unverified: what is decoded from them is.

        Raises :class:`MissingObject`, and :class:`CorruptObject` where the disk does not give them out, or where
        there is more than :data:`MAX_OBJECT`.
        """
        try:
            with self.path(oid).open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_OBJECT:
                    raise CorruptObject(f"object {oid[:12]} is larger than any that theta makes")
                return os.pread(file.fileno(), min(span[1], size), span[0]) if span else file.readall()
        except FileNotFoundError:
            raise MissingObject(oid) from None
        except OSError as error:
            raise CorruptObject(f"object {oid[:12]} cannot be read ({error.strerror}); {_MEND}") from error

    def sound(self, oid: str) -> bytes:
        """The object's bytes; raises :class:`CorruptObject` unless their SHA-256 is the id's, and as :meth:`read`."""
        data = self.read(oid)
        if hashlib.sha256(data).hexdigest() != hash_of(oid):
            raise CorruptObject(f"object {oid[:12]} is damaged here; {_MEND}")
        return data

    def keep(self, oids: Iterable[str]) -> None:
        """Take back from what gc set aside the objects that are needed from now on: it is deleted some day."""
        if not self.aside.is_dir():
            return
        for oid in oids:
            own, name = self.own_path(oid), hash_of(oid)
            with contextlib.suppress(OSError):
                if not own.exists():
                    own.parent.mkdir(parents=True, exist_ok=True)
                    os.rename(self.aside / name[:2] / name, own)
                    os.utime(own)

    def write(self, data: bytes) -> str:
        """Store bytes, whole or not at all; their id."""
        oid = f"{hashlib.sha256(data).hexdigest()}:{len(data)}"
        self.keep([oid])
        if not self.has(oid):
            try:
                self._write(self.own_path(oid), data)
            except OSError as error:
                raise self._not_writable(error) from error
        return oid

    def adopt(self, path: Path, oid: str) -> None:
        """Make a file elsewhere an object, by a hard link where the file system can: whole or not at all.

        Raises :class:`CorruptObject` unless the file's SHA-256 is the id's.
        """
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != hash_of(oid):
                raise CorruptObject(f"object {oid[:12]}: what arrived is not what was asked for")
            os.fsync(file.fileno())
        self.keep([oid])
        if not self.has(oid):
            try:
                self._adopt(path, self.own_path(oid))
            except OSError as error:
                raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> StoreNotWritable:
        return StoreNotWritable(f"cannot write to {self.folder}: {error.strerror}; nothing was lost")

    def _adopt(self, path: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(place)
        try:
            links.join(path, partial)
            os.chmod(partial, 0o444)
            os.rename(partial, place)
        finally:
            partial.unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        try:
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise


def hash_of(oid: str) -> str:
    """The SHA-256 in an object's id."""
    return oid[:64]


def size_of(oid: str) -> int | None:
    """The length in bytes that an object's id says, if it does."""
    return int(oid[65:]) if len(oid) > 65 else None


def is_sound(path: Path) -> bool:
    """Whether the disk gives out what the name says."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except OSError:
        return False


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text("utf-8", "surrogateescape").splitlines() if line and line[0] != "#"]
    except OSError:
        return []


def _partial(path: Path) -> Path:
    """A fresh name beside ``path``, for what is not whole yet."""
    return path.with_name(f"{path.name}.{os.urandom(4).hex()}.partial")
