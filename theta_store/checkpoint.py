"""A checkpoint whose values can be read, wherever they are: in a store or in a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Protocol

from theta_checkpoint.formats import MAX_SKELETON
from theta_checkpoint.layout import FileSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Source
from theta_checkpoint.layout import byte_length
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_checkpoint.skeleton import decoded
from theta_store import chains
from theta_store import sketches
from theta_store.chains import chain
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore

if TYPE_CHECKING:
    from theta_store.identify import Identified


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

    def in_place(self, name: str) -> Source | None:
        """The same bytes where they lie in a file as they are, unverified; None where they have to be decoded."""
        ...


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint whose values are objects of a store."""

    manifest: Manifest
    objects: ObjectStore

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Checkpoint.chunks`."""
        return chains.chunks(self._chain(name, self.digest(name)), name, self.objects, self.length(name))

    def in_place(self, name: str) -> None:
        """See :meth:`Checkpoint.in_place`."""

    def skeleton(self) -> bytes:
        """The bytes of the skeleton; raises :class:`CorruptObject` for more than any checkpoint has."""
        found = self._chain("(skeleton)", self.manifest.skeleton)
        most = 2 * MAX_SKELETON  # half for the bytes, half for the list of segments
        return b"".join(chains.chunks(found, "(skeleton)", self.objects, most))

    @cached_property
    def segments(self) -> list[Segment]:
        """What the file consists of, in order; raises :class:`theta_checkpoint.failure.Failure` as :meth:`skeleton`."""
        return decoded(self.skeleton())

    @property
    def size(self) -> int:
        """The bytes that the file has; raises as :attr:`segments`."""
        return sum(len(one.data) if isinstance(one, Literal) else one.length for one in self.segments)

    def length(self, name: str) -> int:
        """The bytes that a group has by its dtype and shape."""
        tensor = self.manifest.groups[name]
        return byte_length(tensor.dtype, tensor.shape)

    def recipe(self, name: str) -> Recipe:
        """How to restore a group."""
        return self._chain(name, self.digest(name))[0]

    def digest(self, name: str) -> str:
        """The digest of a group's bytes."""
        return self.manifest.groups[name].digest

    def chunk(self, recipe: Recipe, index: int) -> bytes:
        """The raw bytes of one chunk, decoded with what it leans on."""
        return chains.chunk(chain(self.manifest.recipes, recipe.digest), index, self.objects)

    def _chain(self, name: str, digest: str) -> list[Recipe]:
        try:
            return chain(self.manifest.recipes, digest)
        except CorruptObject as error:
            raise CorruptObject(f"group {name}: {error}") from None

    @cached_property
    def sketches(self) -> dict[str, sketches.Sketch]:
        """Sketches by digest; empty where the object that holds them is damaged or not here."""
        return sketches.stored(self.manifest.sketches, self.objects)


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
        """See :meth:`Checkpoint.chunks`; as the file has them now."""
        from theta_store.reading import group_pieces

        return group_pieces(self.source, self._groups[name])

    def in_place(self, name: str) -> Source:
        """See :meth:`Checkpoint.in_place`."""
        from theta_store.reading import GroupSource

        return GroupSource(self.source, self._groups[name])

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.found.layout.groups}


@dataclass(frozen=True)
class OpenCheckpoint(FileCheckpoint):
    """A checkpoint in a file that others may write to."""

    path: Path
    fd: int
    before: tuple[int, int, int]
    """the file's moment before its first byte was read"""

    def check_unchanged(self) -> None:
        """Raise :class:`FileChanged` if the file was written to since then; to be asked once all values are read."""
        from theta_store.reading import FileChanged
        from theta_store.reading import moment

        if moment(os.fstat(self.fd)) != self.before:
            raise FileChanged(f"{self.path}: the file was written to while it was read; run the command again")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[OpenCheckpoint]:
    """The checkpoint in a file outside of any repository; raises OSError."""
    from theta_store.identify import identified
    from theta_store.reading import moment

    with path.open("rb") as file:
        before, source = moment(os.fstat(file.fileno())), FileSource(file.fileno())
        yield OpenCheckpoint(identified(source), source, path, file.fileno(), before)
