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
from theta_store.bases import nearest
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
            if recipe.base:
                self._leaning[recipe.base].add(recipe.digest)

    def improve(self, tensor: Tensor, versions: Sequence[Tensor]) -> bool:
        """Let a version lean on the nearest of the others, if that is clearly smaller; whether it is."""
        old = self._recipes[tensor.digest]
        base = self._nearest(tensor, versions)
        if not base or base.digest == old.base or old.span:
            return False
        new = stored(self._chunks(self._recipes, tensor), tensor.dtype, self._objects, base)
        if not new.base or self._size(new) > _GAIN * self._size(old):
            return False
        deque(self._chunks({**{one.digest: one for one in base.recipes}, new.digest: new}, tensor), maxlen=0)
        self._recipes[tensor.digest] = new
        if old.base:
            self._leaning[old.base].remove(tensor.digest)
        self._leaning[new.base].add(tensor.digest)
        return True

    def _nearest(self, tensor: Tensor, versions: Sequence[Tensor]) -> Base | None:
        if tensor.digest not in self._sketches:
            return None
        most = MAX_DEPTH - self._height(tensor.digest)
        bases = [Base(tuple(chain(self._recipes, other.digest))) for other in versions if other != tensor]
        free = [b for b in bases if len(b.recipes) <= most and all(one.digest != tensor.digest for one in b.recipes)]
        return nearest(self._sketches[tensor.digest], free, self._sketches)

    def _height(self, digest: str) -> int:
        """How many versions lean on it, one behind the other."""
        return max((1 + self._height(one) for one in self._leaning[digest]), default=0)

    def _chunks(self, recipes: Recipes, tensor: Tensor) -> Iterator[bytes]:
        return chains.chunks(chain(recipes, tensor.digest), tensor.name, self._objects)

    def _size(self, recipe: Recipe) -> int:
        return sum(self._objects.path(oid).stat().st_size for oid in set(recipe.oids))
