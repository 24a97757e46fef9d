"""Arrangement: of all versions that a history has, which leans on which, whatever order they were stored in.

``git add`` knows only what came before. Here every version may lean on any other one of its kind: the nearest by their
sketches, as there, but only where that is clearly smaller than what the version has.
"""

from __future__ import annotations

from collections import defaultdict
from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_store import chains
from theta_store import sketches
from theta_store.bases import Base
from theta_store.bases import kind
from theta_store.bases import leaning
from theta_store.chains import MAX_DEPTH
from theta_store.chains import Recipes
from theta_store.chains import chain
from theta_store.chains import needed
from theta_store.chains import shallowest
from theta_store.intake import stored
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch

_GAIN = 0.95
"""what a new recipe's own objects may at most have of the old one's bytes"""


@dataclass(frozen=True, slots=True)
class Rearranged:
    """What an arrangement found."""

    groups: int
    """versions of groups that have a smaller recipe now"""
    manifests: dict[str, Manifest]
    """those that change by it, by the name they were given"""
    recipes: dict[str, Recipe]
    """all that there are"""


def rearranged(manifests: Mapping[str, Manifest], objects: ObjectStore) -> Rearranged:
    """The manifests, given oldest first, with better bases; all that they name is stored, and verified where it is new.

    Their objects must be here. Groups that share an object with others stay as they are. Memory: a few chunks.
    Raises :class:`theta_store.objects.CorruptObject` or :class:`theta_store.objects.MissingObject`.
    """
    recipes = shallowest(*(manifest.recipes for manifest in manifests.values()))
    found: dict[str, Sketch] = {}
    for oid in {manifest.sketches for manifest in manifests.values()}:
        found |= sketches.stored(oid, objects)
    arrangement = _Arrangement(recipes, found, objects)
    kinds = _kinds(manifests.values())
    groups = sum(arrangement.improve(tensor, versions) for versions in kinds for tensor in versions)
    changed = {name: _changed(manifest, recipes) for name, manifest in manifests.items()} if groups else {}
    return Rearranged(groups, {name: new for name, new in changed.items() if new != manifests[name]}, recipes)


def _changed(manifest: Manifest, recipes: Recipes) -> Manifest:
    digests = {tensor.digest for tensor in manifest.groups.values()} | {manifest.skeleton}
    return replace(manifest, recipes=needed(recipes, digests))


def _kinds(manifests: Iterable[Manifest]) -> Iterator[list[Tensor]]:
    """The versions of each kind of group, oldest first; one that is of several kinds belongs to the first."""
    seen: set[str] = set()
    kinds: dict[bytes, list[Tensor]] = {}
    for manifest in manifests:
        for _, tensor in sorted(manifest.groups.items()):
            if tensor.digest not in seen:
                seen.add(tensor.digest)
                kinds.setdefault(kind(tensor), []).append(tensor)
    yield from kinds.values()


class _Arrangement:
    """Recipes, each of which may be put in another's place as long as no circle and no long chain comes about."""

    def __init__(self, recipes: dict[str, Recipe], found: dict[str, Sketch], objects: ObjectStore) -> None:
        self._recipes = recipes
        self._sketches = found
        self._objects = objects
        self._leaning: dict[str, set[str]] = defaultdict(set)
        for recipe in recipes.values():
            self._lean(recipe)

    def improve(self, tensor: Tensor, versions: Sequence[Tensor]) -> bool:
        """Let a version lean on the others that are best for it, if that is clearly smaller; whether it is."""
        old = self._recipes[tensor.digest]
        bases = self._best(tensor, versions)
        if not bases or {base.digest for base in bases} == set(old.bases) or old.span:
            return False
        new = stored(self._chunks(self._recipes, tensor), tensor.dtype, self._objects, bases)
        if not new.bases or self._size(new) > _GAIN * self._size(old):
            return False
        deque(self._chunks({**self._recipes, new.digest: new}, tensor), maxlen=0)
        for base in old.bases:
            self._leaning[base].discard(tensor.digest)
        self._recipes[tensor.digest] = new
        self._lean(new)
        return True

    def _lean(self, recipe: Recipe) -> None:
        for base in recipe.bases:
            self._leaning[base].add(recipe.digest)

    def _best(self, tensor: Tensor, versions: Sequence[Tensor]) -> tuple[Base, ...]:
        if tensor.digest not in self._sketches:
            return ()
        most = MAX_DEPTH - self._height(tensor.digest)
        bases = [Base(tuple(chain(self._recipes, other.digest))) for other in versions if other != tensor]
        free = [base for base in bases if all(one.digest != tensor.digest for one in base.recipes)]
        return leaning(self._sketches[tensor.digest], free, self._sketches, tensor.dtype, most)

    def _height(self, digest: str) -> int:
        """How deep what leans on it would be, if it leaned on nothing itself."""
        leaning = (self._recipes[one] for one in self._leaning[digest])
        return max((len(recipe.bases) + self._height(recipe.digest) for recipe in leaning), default=0)

    def _chunks(self, recipes: Recipes, tensor: Tensor) -> Iterator[bytes]:
        return chains.chunks(chain(recipes, tensor.digest), tensor.name, self._objects)

    def _size(self, recipe: Recipe) -> int:
        return sum(self._objects.path(oid).stat().st_size for oid in set(recipe.oids))
