"""Bundles: objects that hold the encodings of many small groups, one after the other.

A model has hundreds of biases and norms, a mixture of experts tens of thousands of small matrices: a file each
would cost more to create, and to send, than the values in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from theta_checkpoint.manifest import Recipe
from theta_store.objects import ObjectStore

SMALL = 16 << 10
"""raw bytes of the largest group that goes into a bundle"""
FULL = 4 << 20
"""bytes from which on a bundle is closed"""


class Bundler:
    """Collects small groups' encodings and stores them as bundles."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._held: list[tuple[Recipe, bytes]] = []
        self._size = 0

    def add(self, recipe: Recipe, data: bytes) -> Iterator[Recipe]:
        """Hold a group's encoding, ``recipe`` lacking its object; the recipes of a bundle that is full now."""
        self._held.append((recipe, data))
        self._size += len(data)
        if self._size >= FULL:
            yield from self.close()

    def close(self) -> Iterator[Recipe]:
        """The recipes of all that is held, now stored."""
        held, self._held, self._size = self._held, [], 0
        if not held:
            return
        oid = self._objects.write(b"".join(data for _, data in held))
        offset = 0
        for recipe, data in held:
            yield Recipe(recipe.digest, recipe.encoding, (oid,), recipe.bases, (offset, len(data)))
            offset += len(data)
