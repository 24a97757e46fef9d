"""Bases: which earlier version of a group its new values lean on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import Group
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_store import chains
from theta_store.arrays import epsilon
from theta_store.chains import MAX_DEPTH
from theta_store.chains import Recipes
from theta_store.chains import chain
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch

_LEVEL = 1.5
"""bits per number that a base must save to be taken over one that is less deep by one"""
_NO_DISTANCE = 1e-30
_ASIDE = 0.25
"""of the distance to the best base, how far the version before may be from that to be taken in its place"""
_ROUNDING = 0.35
"""norm of what rounding changes, at most, in a dtype's epsilons of the norm: some 0.2, and sketches are about right"""
_SKETCH_ERROR = 4e-6
"""relative error of a sum of sketches, about: they are float32"""

_NEEDED = 4
"""by what a base must divide what the others leave, once that is no more than rounding: one side may be all but 0"""
_TERMS = 12
"""bases that a sum is looked for among: any 64 numbers are a sum of 64 sketches"""


@dataclass(frozen=True, slots=True)
class Base:
    """A stored version of a group."""

    recipes: tuple[Recipe, ...]
    """its chain"""

    @property
    def digest(self) -> str:
        """BLAKE3 of its raw bytes."""
        return self.recipes[0].digest

    @property
    def depth(self) -> int:
        """How deep it is."""
        return chains.depth(self.recipes)

    def chunks(self, objects: ObjectStore) -> Iterator[bytes]:
        """Its raw bytes; raises :class:`MissingObject` or :class:`CorruptObject`, at the latest at their end."""
        return chains.chunks(self.recipes, "(base)", objects)


def versions(group: Group | Tensor, earlier: Manifest, recipes: Recipes) -> list[Base]:
    """The versions that a group may lean on: the one in the earlier manifest, and those that it leans on itself.

    ``recipes`` are those at hand. Where rows came or went, it is the earlier one alone: its sketch differs by those
    rows from the group's, and so do all the others', whatever else they differ by.
    """
    tensor = earlier.groups.get(group.name)
    if not tensor or tensor.digest not in recipes or not is_alike(tensor, group):
        return []
    bases = [Base(tuple(chain(recipes, recipe.digest))) for recipe in chain(recipes, tensor.digest)]
    near = [base for base in bases if base.depth < MAX_DEPTH]
    return near if tensor.shape == group.shape else near[:1]


def kind(group: Group | Tensor) -> bytes:
    """What groups have in common that may lean on each other whatever file they are in: name, dtype, shape, order."""
    return blake3(repr((group.name, group.dtype, group.shape, group.strides)).encode()).digest(16)


def is_alike(one: Tensor | Group, other: Tensor | Group) -> bool:
    """Whether two tensors have the same dtype and storage order, and rows of the same shape: then chunks align."""
    return (one.dtype, one.shape[1:], one.strides) == (other.dtype, other.shape[1:], other.strides)


def leaning(
    sketch: Sketch, bases: Sequence[Base], sketches: Mapping[str, Sketch], dtype: str, most: int = MAX_DEPTH
) -> tuple[Base, ...]:
    """The bases that a group should lean on: those of which it seems a weighted sum, else the nearest, if any.

    It is at most ``most`` deep then.
    """
    found = summed(sketch, [base for base in bases if base.depth + 2 <= most], sketches, dtype)
    if found and deepest(found) + len(found) <= most:
        return found
    one = nearest(sketch, [base for base in bases if base.depth < most], sketches)
    return (one,) if one else ()


def deepest(bases: Sequence[Base]) -> int:
    """How deep the deepest of them is."""
    return max((base.depth for base in bases), default=0)


def summed(sketch: Sketch, bases: Sequence[Base], sketches: Mapping[str, Sketch], dtype: str) -> tuple[Base, ...]:
    """The bases of which the values are a weighted sum but for rounding, the nearest first; none if they are not.

    Sketches are linear: the sketch of a sum is the sum of the sketches.
    """
    import numpy

    here = (base for base in bases if base.digest in sketches)
    known = sorted(here, key=lambda base: sketch.distance(sketches[base.digest]))[:_TERMS]
    if len(known) < 2 or DTYPES[dtype].kind != "float":
        return ()
    target = numpy.array(sketch.buckets)
    least = sketch.norm * max(_ROUNDING * epsilon(dtype), _SKETCH_ERROR)

    def left(chosen: Sequence[Base]) -> float:
        """The norm of what no sum of the chosen bases explains."""
        matrix = numpy.array([sketches[base.digest].buckets for base in chosen]).T
        return float(numpy.linalg.norm(target - matrix @ numpy.linalg.lstsq(matrix, target, rcond=None)[0]))

    if left(known) > least:
        return ()
    found: tuple[Base, ...] = ()
    while len(found) < len(known):
        more = min(((*found, base) for base in known if base not in found), key=left)
        if found and left(found) < min(least, _NEEDED * left(more)):
            break
        found = more
    return found if len(found) > 1 else ()


def nearest(sketch: Sketch, bases: Sequence[Base], sketches: Mapping[str, Sketch]) -> Base | None:
    """The base from which the values differ least, by the sketches; None where they have nothing in common.

    Half the distance saves one bit per number. Where no sketch is known, the first base is taken, and so it is where
    that is all but the best as seen from here: a few numbers may have changed much, and all others are those of the
    version before.
    """
    known = [base for base in bases if base.digest in sketches]
    if not known:
        return bases[0] if bases else None
    best = min(known, key=lambda base: _bits(sketch, sketches[base.digest]) + _LEVEL * base.depth)
    distance = sketch.distance(sketches[best.digest])
    if distance > max(sketch.norm, sketches[best.digest].norm):
        return None
    aside = sketches[known[0].digest].distance(sketches[best.digest])
    return known[0] if aside < _ASIDE * distance else best


def _bits(sketch: Sketch, other: Sketch) -> float:
    return math.log2(max(sketch.distance(other), _NO_DISTANCE))
