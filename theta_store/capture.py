"""Capture: a checkpoint file becomes a manifest and objects.

Two passes over what the page cache holds anyway: the first identifies every group by its digest, the second
encodes and stores only those that are new here. So the cost follows what changed.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Source
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_store import bundle
from theta_store import sketches
from theta_store.bases import Base
from theta_store.bases import kind
from theta_store.bases import leaning
from theta_store.bases import versions
from theta_store.bundle import Bundler
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import needed
from theta_store.chains import restorable
from theta_store.chains import shallowest
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import chunk_ranges
from theta_store.encodings import dense
from theta_store.identify import Identified
from theta_store.intake import encoded
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject
from theta_store.parallel import mapped
from theta_store.reading import FileChanged
from theta_store.reading import group_chunks
from theta_store.sketches import Sketch
from theta_store.store import Store

_KIN = 8
"""groups of its kind that a new group is compared with, besides the earlier versions of its file"""
_MUCH = 8 << 20
"""bytes that are new from which on git add must save time: below, all that it tries takes a moment"""
_MUCH_OF_FILE = 1 / 8
"""and the share of a file: below, it takes longer to hash the file"""
_DEPTH = 1
"""how deep groups may become where much is new: to decode a longer chain would take too long"""
_LARGE = 256 << 10
"""bytes beyond which a group leans on another where much is new: to find out about smaller ones would take too long"""


def captured(source: Source, found: Identified, store: Store, earlier: Manifest | None = None) -> Manifest:
    """The complete manifest of an identified file; every value is in the store when this returns.

    New groups may lean on the groups of the same names in the ``earlier`` manifest of the path, and on those of the
    same name and shape that were stored last in this clone, in whatever file. Memory: for each worker one chunk
    (16 MiB), that of the base, and an encoding; and the skeleton. Raises :class:`FileChanged`
    if a group no longer has the digest it was identified by.
    """
    groups = {found.digest(group): group for group in found.layout.groups}
    digests = {*groups, found.manifest.skeleton}
    known = _known(found, digests, store, earlier)
    new = {
        digest: group for digest, group in groups.items() if digest not in known.recipes or digest not in known.sketches
    }
    made, new_sketches = _stored_groups(source, new, known, store)
    known.recipes.update(made)
    known.sketches.update(new_sketches)
    if found.manifest.skeleton not in known.recipes:
        known.recipes[found.manifest.skeleton] = _stored_skeleton(found, store)
    recipes = needed(known.recipes, digests)
    rows = {digest: sketches.row(digest, known.sketches[digest]) for digest in groups}
    sketches_oid = store.objects.write(b"".join(row for _, row in sorted(rows.items())))
    # with the bases: what the registry remembers then never leans in circles
    store.registry.remember(
        recipes=recipes.values(),
        sketches=[(digest, rows[digest]) for digest in new],
        kin=[(kind(group), digest) for digest, group in new.items() if group.length > bundle.SMALL],
    )
    return replace(found.manifest, recipes=recipes, sketches=sketches_oid)


@dataclass(frozen=True, slots=True)
class _Known:
    """What can be had without reading the file."""

    recipes: dict[str, Recipe]
    """with all their bases and objects"""
    sketches: dict[str, Sketch]
    earlier: Manifest | None
    kin: dict[bytes, list[str]]
    """digests by the kind of new groups"""
    much: bool
    """whether so much is new that only what is soon found out is tried"""

    def leaning(self, group: Group, sketch: Sketch) -> tuple[Base, ...]:
        """What a new group leans on."""
        if group.length <= (_LARGE if self.much else bundle.SMALL):
            return ()
        found = versions(group, self.earlier, self.recipes) if self.earlier else []
        digests = dict.fromkeys([*(base.digest for base in found), *self.kin.get(kind(group), [])])
        bases = [Base(tuple(chain(self.recipes, digest))) for digest in digests if digest in self.recipes]
        return leaning(sketch, bases, self.sketches, group.dtype, self._most(group))

    def _most(self, group: Group) -> int:
        """How deep a group may become: where rows came or went, mostly all others are as they were."""
        before = self.earlier.groups.get(group.name) if self.earlier else None
        return _DEPTH if self.much and not (before and before.shape != group.shape) else MAX_DEPTH


def _known(found: Identified, digests: Collection[str], store: Store, earlier: Manifest | None) -> _Known:
    recipes = store.recipes(digests)
    near = sketches.stored(earlier.sketches, store.objects) if earlier else {}
    if earlier:
        recipes = shallowest(recipes, restorable(earlier.recipes, store.objects))
    new = _new(found, recipes)
    much = _bytes(new) > max(_MUCH, _MUCH_OF_FILE * _bytes(found.layout.groups))
    kin = _kin(new, store)
    recipes = shallowest(recipes, store.recipes(digest for one in kin.values() for digest in one))
    rows = store.registry.sketches([*recipes.keys() | set(digests)])
    return _Known(recipes, near | sketches.decoded(b"".join(rows.values())), earlier, kin, much)


def _new(found: Identified, recipes: Mapping[str, Recipe]) -> list[Group]:
    """The groups that still have to be stored."""
    return [group for group in found.layout.groups if found.digest(group) not in recipes]


def _kin(new: Iterable[Group], store: Store) -> dict[bytes, list[str]]:
    """Groups in other files that new ones may be near to; not for small ones, which it would not pay for."""
    kinds = [kind(group) for group in new if group.length > bundle.SMALL]
    return store.registry.kin(kinds, _KIN) if kinds else {}


def _stored_groups(
    source: Source, new: Mapping[str, Group], known: _Known, store: Store
) -> tuple[dict[str, Recipe], dict[str, Sketch]]:
    """The recipes and sketches, by digest, of groups that are now stored; small ones go into bundles."""
    bundler = Bundler(store.objects)
    recipes: dict[str, Recipe] = {}
    found: dict[str, Sketch] = {}
    for made in mapped(lambda item: _made(source, item[1], item[0], known, store), new.items(), lambda i: i[1].length):
        found[made.recipe.digest] = made.sketch
        finished = [made.recipe] if made.held is None else bundler.add(made.recipe, made.held)
        recipes.update((recipe.digest, recipe) for recipe in finished)
    recipes.update((recipe.digest, recipe) for recipe in bundler.close())
    return recipes, found


@dataclass(frozen=True, slots=True)
class _Made:
    """A group that was read and encoded."""

    recipe: Recipe
    sketch: Sketch
    held: bytes | None = None
    """its encoding, where it still has to go into a bundle"""


def _made(source: Source, group: Group, digest: str, known: _Known, store: Store) -> _Made:
    sketch = _sketched(source, group)
    if digest in known.recipes:
        return _Made(known.recipes[digest], sketch)
    bases = known.leaning(group, sketch)
    try:
        recipe, held = encoded(group_chunks(source, group), group.length, group.dtype, store.objects, bases)
    except (MissingObject, CorruptObject):
        recipe, held = encoded(group_chunks(source, group), group.length, group.dtype, store.objects)
    if recipe.digest != digest:
        raise FileChanged(f"group {group.name}: the file was written to while it was read; add it again")
    return _Made(recipe, sketch, held)


def _sketched(source: Source, group: Group) -> Sketch:
    sketcher = sketches.Sketcher(group.dtype)
    for chunk in group_chunks(source, group):
        sketcher.update(chunk)
    return sketcher.sketch()


def _stored_skeleton(found: Identified, store: Store) -> Recipe:
    bones = found.skeleton
    pieces = (bones[start : start + length] for start, length in chunk_ranges(len(bones), MAX_CHUNK))
    oids = tuple(store.objects.write(dense.encoded(piece, 1)) for piece in pieces)
    return Recipe(found.manifest.skeleton, dense.NAME, oids)


def _bytes(groups: Iterable[Group]) -> int:
    return sum(group.length for group in groups)
