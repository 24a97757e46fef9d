"""A checkpoint whose values can be read, wherever they are: in a store or in a file."""

from __future__ import annotations

import contextlib
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
from theta_store import chains
from theta_store import sketches
from theta_store.chains import chain
from theta_store.chains import checked
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore

if TYPE_CHECKING:
    from theta_store.capture import Identified


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
        return chains.chunks(self._chain(name, self.digest(name)), name, self.objects, self.length(name))

    def skeleton(self) -> bytes:
        """The bytes of the skeleton; raises :class:`CorruptObject` for more than any checkpoint has."""
        found = self._chain("(skeleton)", self.manifest.skeleton)
        most = 2 * MAX_SKELETON  # half for the bytes, half for the list of segments
        return b"".join(chains.chunks(found, "(skeleton)", self.objects, most))

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
        """See :meth:`Checkpoint.chunks`."""
        from theta_store.capture import group_pieces

        return checked(group_pieces(self.source, self._groups[name]), name, self.manifest.groups[name].digest)

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.found.layout.groups}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[FileCheckpoint]:
    """The checkpoint in a file outside of any repository; raises OSError."""
    from theta_store.capture import identified

    with path.open("rb") as file:
        source = FileSource(file.fileno())
        yield FileCheckpoint(identified(source), source)
