"""Repack: shorter chains and nearer bases, now that all versions of a checkpoint are known.

A manifest in the history names its recipes for ever, so nothing stored is changed or deleted: what is found goes to
the registry, and the manifests of later versions are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_store import chains
from theta_store import sketches
from theta_store.bases import Base
from theta_store.bases import is_alike
from theta_store.bases import nearest
from theta_store.chains import Recipes
from theta_store.chains import chain
from theta_store.chains import depth
from theta_store.chains import restorable
from theta_store.chains import shallowest
from theta_store.chunks import WORKERS
from theta_store.intake import stored
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch
from theta_store.store import Store


@dataclass(frozen=True, slots=True)
class Repacked:
    """What a repack found."""

    groups: int
    """versions of groups that have a better recipe now"""
    deepest_before: int
    deepest: int
    """bases that a group leans on, at most"""


def repacked(manifests: Sequence[Manifest], store: Store) -> Repacked:
    """Find better recipes for the groups of these versions of one checkpoint, oldest first, and remember them.

    Values that are not here, and what leans on them, are left alone. Memory: a few chunks for each worker. Raises
    what reading a damaged object raises.
    """
    digests = {tensor.digest for manifest in manifests for tensor in manifest.groups.values()}
    given = (restorable(manifest.recipes, store.objects) for manifest in manifests)
    known = shallowest(*given, store.recipes(digests))
    found = _sketches(manifests, digests, store)
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = pool.map(lambda tensors: _better(tensors, known, found, store.objects), _histories(manifests, known))
        better = {digest: recipe for part in parts for digest, recipe in part.items()}
    recipes = restorable(known | better, store.objects)
    if recipes.keys() != known.keys():
        # histories that lean on each other, each now the other way round
        recipes, better = known, {}
    store.registry.remember(recipes=recipes.values())
    return Repacked(len(better), _deepest(known, digests), _deepest(recipes, digests))


def _histories(manifests: Sequence[Manifest], known: Recipes) -> list[list[Tensor]]:
    """For each name, its versions, oldest first; a version that several names have belongs to the first."""
    seen: set[str] = set()
    histories: dict[str, list[Tensor]] = {}
    for manifest in manifests:
        for name, tensor in sorted(manifest.groups.items()):
            if tensor.digest in known and tensor.digest not in seen:
                seen.add(tensor.digest)
                histories.setdefault(name, []).append(tensor)
    return list(histories.values())


def _better(
    tensors: Sequence[Tensor], known: Recipes, found: dict[str, Sketch], objects: ObjectStore
) -> dict[str, Recipe]:
    """The recipes that are better than the known ones, among the versions of one group."""
    recipes = dict(known)
    earlier: list[Tensor] = []
    for tensor in tensors:
        bases = [Base(tuple(chain(recipes, other.digest))) for other in earlier if is_alike(tensor, other)]
        candidates = [base for base in bases if all(one.digest != tensor.digest for one in base.recipes)]
        if tensor.digest in found:
            recipes[tensor.digest] = _recipe(tensor, nearest(found[tensor.digest], candidates, found), recipes, objects)
        earlier.append(tensor)
    return {digest: recipe for digest, recipe in recipes.items() if recipe != known[digest]}


def _recipe(tensor: Tensor, base: Base | None, recipes: Recipes, objects: ObjectStore) -> Recipe:
    """A recipe that is less deep, or a smaller one as deep; else the one that the group has.

    What leans on several bases is all but free, and becomes less deep as they do.
    """
    current = chain(recipes, tensor.digest)
    if not base or base.depth >= depth(current) or base.digest in current[0].bases:
        return current[0]
    new = stored(chains.chunks(current, tensor.name, objects), tensor.dtype, objects, [base])
    shorter = base.depth + 1 < depth(current) and len(current[0].bases) == 1
    return new if shorter or _size(new, objects) < _size(current[0], objects) else current[0]


def _size(recipe: Recipe, objects: ObjectStore) -> int:
    """Bytes of the objects, as far as they are the recipe's own."""
    return recipe.span[1] if recipe.span else sum(len(objects.read(oid)) for oid in recipe.oids)


def _sketches(manifests: Sequence[Manifest], digests: set[str], store: Store) -> dict[str, Sketch]:
    found = sketches.decoded(b"".join(store.registry.sketches(list(digests)).values()))
    for oid in {manifest.sketches for manifest in manifests}:
        found |= sketches.stored(oid, store.objects)
    return found


def _deepest(recipes: Recipes, digests: set[str]) -> int:
    return max((depth(chain(recipes, digest)) for digest in digests & recipes.keys()), default=0)
