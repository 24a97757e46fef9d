"""A repository's store: the objects, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from theta_checkpoint.manifest import Recipe
from theta_store.objects import ObjectStore
from theta_store.registry import Registry


@dataclass(frozen=True)
class Store:
    """Where values go and what is known of them already."""

    objects: ObjectStore
    registry: Registry

    @classmethod
    def at(cls, folder: Path) -> Store:
        """The store in one folder, usually ``.git/theta``."""
        return cls(ObjectStore(folder / "objects"), Registry(folder / "known.sqlite"))

    def recipes(self, digests: Iterable[str]) -> dict[str, Recipe]:
        """The known recipes for these digests whose objects are all here."""
        known = self.registry.recipes(list(digests))
        return {digest: recipe for digest, recipe in known.items() if all(map(self.objects.has, recipe.oids))}
