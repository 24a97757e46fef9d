"""Bases: which earlier version of a group its new values lean on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from blake3 import blake3

from theta_checkpoint.layout import Group
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_store import chains
from theta_store.chains import MAX_DEPTH
from theta_store.chains import Recipes
from theta_store.chains import chain
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch

_LEVEL = 1.5
"""bits per number that a base must save to be taken over one whose chain is shorter by one"""
_NO_DISTANCE = 1e-30


@dataclass(frozen=True, slots=True)
class Base:
    """A stored version of a group."""

    recipes: tuple[Recipe, ...]
    """its chain"""

    @property
    def digest(self) -> str:
        """BLAKE3 of its raw bytes."""
        return self.recipes[0].digest

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
    found = chain(recipes, tensor.digest)
    bases = [Base(tuple(found[start:])) for start in range(len(found))]
    near = [base for base in bases if len(base.recipes) <= MAX_DEPTH]
    return near if tensor.shape == group.shape else near[:1]


def kind(group: Group | Tensor) -> bytes:
    """What groups have in common that may lean on each other whatever file they are in: name, dtype, shape, order."""
    return blake3(repr((group.name, group.dtype, group.shape, group.strides)).encode()).digest(16)


def is_alike(one: Tensor | Group, other: Tensor | Group) -> bool:
    """Whether two tensors have the same dtype and storage order, and rows of the same shape: then chunks align."""
    return (one.dtype, one.shape[1:], one.strides) == (other.dtype, other.shape[1:], other.strides)


def nearest(sketch: Sketch, bases: list[Base], sketches: Mapping[str, Sketch]) -> Base | None:
    """The base from which the values differ least, by the sketches; None where they have nothing in common.

    Half the distance saves one bit per number. Where no sketch is known, the first base is taken.
    """
    known = [base for base in bases if base.digest in sketches]
    if not known:
        return bases[0] if bases else None
    best = min(known, key=lambda base: _bits(sketch, sketches[base.digest]) + _LEVEL * len(base.recipes))
    far = sketch.distance(sketches[best.digest]) > max(sketch.norm, sketches[best.digest].norm)
    return None if far else best


def _bits(sketch: Sketch, other: Sketch) -> float:
    return math.log2(max(sketch.distance(other), _NO_DISTANCE))
