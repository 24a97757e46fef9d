"""Intake: values that a program made become objects, with all that a manifest needs to know of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blake3 import blake3

from theta_checkpoint.manifest import Recipe
from theta_store import sketches
from theta_store.encodings import dense
from theta_store.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Intake:
    """A group whose values are now in the store."""

    recipe: Recipe
    sketch: bytes
    """its row, see :func:`theta_store.sketches.row`"""

    @property
    def digest(self) -> str:
        """BLAKE3 of the raw bytes."""
        return self.recipe.digest


def taken_in(chunks: Iterable[bytes], dtype: str, objects: ObjectStore) -> Intake:
    """Store a group given as raw little-endian bytes in storage order, one object per chunk.

    The chunks must be cut as :func:`theta_store.chunks.chunk_length` says, so that equal values become equal
    objects. Raises :class:`theta_store.objects.StoreNotWritable`.
    """
    hasher = blake3()
    sketcher = sketches.Sketcher(dtype)
    width = dense.shuffle_width(dtype)
    oids = []
    for chunk in chunks:
        hasher.update(chunk)
        sketcher.update(chunk)
        oids.append(objects.write(dense.encoded(chunk, width)))
    digest = hasher.hexdigest()
    return Intake(Recipe(digest, dense.NAME, tuple(oids)), sketches.row(digest, sketcher.sketch()))
