"""Chains: a recipe, the recipes of the bases it leans on, and so on down to those that lean on nothing."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from blake3 import blake3

from theta_checkpoint.manifest import Recipe
from theta_store.encodings import encoding
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore

MAX_DEPTH = 8
"""how deep a recipe may be, see :func:`depth`"""

Recipes = Mapping[str, Recipe]
"""recipes by the digest of what they restore"""


def chain(recipes: Recipes, digest: str) -> list[Recipe]:
    """The recipe of a digest and those of all that it leans on, each once, and before its own bases.

    Raises :class:`CorruptObject` where one is not among the recipes, or where it is deeper than :data:`MAX_DEPTH`,
    as in a circle.
    """
    found = reversed(list(_ways_down(recipes, digest, MAX_DEPTH)))
    # one that several lean on stays where it was met last, behind all of them
    return list({recipe.digest: recipe for recipe in found}.values())[::-1]


def _ways_down(recipes: Recipes, digest: str, room: int) -> Iterator[Recipe]:
    if digest not in recipes:
        raise CorruptObject("the manifest does not say how to restore it")
    recipe = recipes[digest]
    room -= len(recipe.bases)
    if room < 0:
        raise CorruptObject(f"the manifest leans on more than {MAX_DEPTH} bases to restore it")
    yield recipe
    for base in recipe.bases:
        yield from _ways_down(recipes, base, room)


def depth(recipes: Sequence[Recipe]) -> int:
    """How many bases the first recipe of a chain leans on, one behind the other: all of each recipe on the longest way.

    To count several for one keeps bounded what has to be decoded, and makes it safe to mix recipes of several
    manifests (see :func:`shallowest`): the number of different bases would grow where two no longer share one.
    """
    found: dict[str, int] = {}
    for recipe in reversed(recipes):
        found[recipe.digest] = len(recipe.bases) + max((found[base] for base in recipe.bases), default=0)
    return found[recipes[0].digest]


def needed(recipes: Recipes, digests: Iterable[str]) -> dict[str, Recipe]:
    """The recipes of these digests and of every base that they lean on; raises as :func:`chain`."""
    return {recipe.digest: recipe for digest in digests for recipe in chain(recipes, digest)}


def restorable(recipes: Recipes, objects: ObjectStore) -> dict[str, Recipe]:
    """Those recipes whose objects are all here, and those of their bases."""
    present = set(filter(objects.has, {oid for recipe in recipes.values() for oid in recipe.oids}))
    here = {digest: recipe for digest, recipe in recipes.items() if present.issuperset(recipe.oids)}
    return {digest: recipe for digest, recipe in here.items() if _is_whole(here, digest)}


def shallowest(*known: Recipes) -> dict[str, Recipe]:
    """For each digest, of the recipes known for it the least deep.

    Recipes of several manifests, each complete in itself, may be mixed only so: in the manifest of the one taken its
    bases are less deep than it is, hence here too, and no circle and nothing deeper can come about.
    """
    ranked = [(depth(chain(recipes, digest)), recipe) for recipes in known for digest, recipe in recipes.items()]
    ranked.sort(key=lambda item: item[0], reverse=True)
    return {recipe.digest: recipe for _, recipe in ranked}


def chunk(recipes: Sequence[Recipe], index: int, objects: ObjectStore) -> bytes:
    """The raw bytes of one chunk of a chain's first recipe; bases with fewer chunks count as empty there.

    Raises :class:`MissingObject` or :class:`CorruptObject`.
    """
    last_user = {base: recipe for recipe in reversed(recipes) for base in recipe.bases}
    raw: dict[str, bytes] = {}
    for recipe in reversed(recipes):
        raw[recipe.digest] = _decoded(recipe, index, [raw[base] for base in recipe.bases], objects)
        for base in set(recipe.bases):
            if last_user[base] is recipe:
                del raw[base]
    return raw[recipes[0].digest]


def _decoded(recipe: Recipe, index: int, bases: Sequence[bytes], objects: ObjectStore) -> bytes:
    if index >= len(recipe.oids):
        return b""
    return encoding(recipe.encoding).decoded(objects.read(recipe.oids[index], recipe.span), bases)


def chunks(recipes: Sequence[Recipe], name: str, objects: ObjectStore, most: int | None = None) -> Iterator[bytes]:
    """All chunks of a chain's first recipe, verified as :func:`checked` does."""
    pieces = (chunk(recipes, index, objects) for index in range(len(recipes[0].oids)))
    return checked(pieces, name, recipes[0].digest, most)


def checked(pieces: Iterable[bytes], name: str, digest: str, most: int | None = None) -> Iterator[bytes]:
    """The pieces; after the last one, an error unless together they have this digest.

    And one before there are more than ``most`` bytes: an object may decode to a thousand times its own length.
    """
    hasher = blake3()
    taken = 0
    try:
        for piece in pieces:
            taken += len(piece)
            if most is not None and taken > most:
                raise CorruptObject(f"it is larger than the {most} bytes that it can have")
            hasher.update(piece)
            yield piece
            del piece  # it is not kept while the next one is decoded
    except (MissingObject, CorruptObject) as error:
        error.args = (f"group {name}: {error}",)
        raise
    if hasher.hexdigest() != digest:
        raise CorruptObject(f"group {name}: its stored bytes are damaged; look for a good copy with: git theta fsck")


def _is_whole(recipes: Recipes, digest: str) -> bool:
    try:
        chain(recipes, digest)
    except CorruptObject:
        return False
    return True
