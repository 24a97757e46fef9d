"""A repository's store: the objects, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from theta_checkpoint.manifest import Recipe
from theta_store.chains import restorable
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
        """The known recipes for these digests, and for every base they lean on, whose objects are all here."""
        found: dict[str, Recipe] = {}
        wanted = set(digests)
        while wanted:
            fresh = self.registry.recipes(list(wanted))
            found.update(fresh)
            wanted = {base for recipe in fresh.values() for base in recipe.bases} - found.keys()
        return restorable(found, self.objects)
