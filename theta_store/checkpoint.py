"""A checkpoint whose values can be read, wherever they are: in a store or in a file."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from typing import TypeVar

from blake3 import blake3

from theta_checkpoint.layout import FileSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Source
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_store import sketches
from theta_store.capture import Identified
from theta_store.capture import group_chunks
from theta_store.capture import identified
from theta_store.chunks import WORKERS
from theta_store.encodings import encoding
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore

MAX_DEPTH = 8
"""how many bases a recipe may lean on, one behind the other"""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Checkpoint(Protocol):
    """A manifest and its values."""

    @property
    def manifest(self) -> Manifest:
        """What the checkpoint is."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a group in storage order, piece by piece; verified once the last piece is taken.

        Raises :class:`MissingObject` or :class:`CorruptObject`, naming the group.
        """
        ...


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint whose values are objects of a store."""

    manifest: Manifest
    objects: ObjectStore

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Checkpoint.chunks`."""
        return checked(self._decoded_chunks(name, self.digest(name)), name, self.digest(name))

    def skeleton(self) -> bytes:
        """The bytes of the skeleton."""
        digest = self.manifest.skeleton
        return b"".join(checked(self._decoded_chunks("(skeleton)", digest), "(skeleton)", digest))

    def recipe(self, name: str) -> Recipe:
        """How to restore a group."""
        return _recipe(self.manifest, name, self.digest(name))

    def digest(self, name: str) -> str:
        """The digest of a group's bytes."""
        return self.manifest.groups[name].digest

    def chunk(self, recipe: Recipe, index: int, depth: int = MAX_DEPTH) -> bytes:
        """The raw bytes of one chunk; what it leans on is decoded first, at most ``depth`` bases deep."""
        if index >= len(recipe.oids) or depth < 0:
            raise CorruptObject("the manifest's recipes do not fit together")
        base = None
        if recipe.base:
            base = self.chunk(_recipe(self.manifest, "(base)", recipe.base), index, depth - 1)
        return encoding(recipe.encoding).decoded(self.objects.read(recipe.oids[index]), base)

    def _decoded_chunks(self, name: str, digest: str) -> Iterator[bytes]:
        recipe = _recipe(self.manifest, name, digest)
        return (self.chunk(recipe, index) for index in range(len(recipe.oids)))

    @cached_property
    def sketches(self) -> dict[str, sketches.Sketch]:
        """Sketches by digest; empty where the object that holds them is not here."""
        if not self.manifest.sketches:
            return {}
        try:
            return sketches.decoded(self.objects.read(self.manifest.sketches))
        except MissingObject:
            return {}


@dataclass(frozen=True)
class FileCheckpoint:
    """A checkpoint whose values lie in a file."""

    found: Identified
    source: Source

    @property
    def manifest(self) -> Manifest:
        """What the checkpoint is."""
        return self.found.manifest

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Checkpoint.chunks`."""
        return checked(group_chunks(self.source, self._groups[name]), name, self.manifest.groups[name].digest)

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.found.layout.groups}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[FileCheckpoint]:
    """The checkpoint in a file outside of any repository; raises OSError."""
    with path.open("rb") as file:
        source = FileSource(file.fileno())
        yield FileCheckpoint(identified(source), source)


def _recipe(manifest: Manifest, name: str, digest: str) -> Recipe:
    found = manifest.recipes.get(digest)
    if not found:
        raise CorruptObject(f"group {name}: the manifest does not say how to restore it")
    return found


def checked(pieces: Iterable[bytes], name: str, digest: str) -> Iterator[bytes]:
    """The pieces; after the last one, an error unless together they have this digest."""
    hasher = blake3()
    try:
        for piece in pieces:
            hasher.update(piece)
            yield piece
    except (MissingObject, CorruptObject) as error:
        error.args = (f"group {name}: {error}",)
        raise
    if hasher.hexdigest() != digest:
        raise CorruptObject(f"group {name}: its stored bytes are damaged; look for a good copy with: git theta fsck")


def ahead(pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``map(function, items)`` in order, computed a few items ahead: memory stays bounded."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > WORKERS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
