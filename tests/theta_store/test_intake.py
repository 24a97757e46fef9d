"""Intake: what a program made leans on what it was made of, as merges do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from theta_checkpoint.manifest import Recipe
from theta_store.arrays import numpy_dtype
from theta_store.bases import Base
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import chunks
from theta_store.intake import Intake
from theta_store.intake import intake
from theta_store.sketches import decoded
from theta_store.store import Store

Array = NDArray[Any]
RANDOM = numpy.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((200, 300)).astype("f4")


def near(values: Array) -> Array:
    """The values after a little training."""
    return values + numpy.float32(1e-3) * RANDOM.standard_normal(values.shape).astype("f4")


class Stored:
    """Groups of one kind that are taken in, each leaning on what it is said to be made of."""

    def __init__(self, folder: Path) -> None:
        self.objects = Store.at(folder).objects
        self.recipes: dict[str, Recipe] = {}
        self._made: dict[str, Intake] = {}

    def add(self, values: Array, *made_of: Recipe, dtype: str = "F32") -> Recipe:
        """The recipe of a group, which restores it byte for byte."""
        raw = values.tobytes()
        bases = [Base(tuple(chain(self.recipes, one.digest))) for one in made_of]
        known = decoded(b"".join(self._made[one.digest].sketch for one in made_of))
        made = intake([raw], len(raw), dtype, self.objects, bases, known)
        self._made[made.digest] = made
        self.recipes[made.digest] = made.recipe
        assert b"".join(chunks(self.chain(made.recipe), "weight", self.objects)) == raw
        return made.recipe

    def chain(self, recipe: Recipe) -> Sequence[Recipe]:
        return chain(self.recipes, recipe.digest)

    def size(self, recipe: Recipe) -> int:
        return sum(len(self.objects.read(oid)) for oid in recipe.oids)


def digests(*recipes: Recipe) -> set[str]:
    return {recipe.digest for recipe in recipes}


def test_an_average_is_stored_as_the_sum_that_it_is(tmp_path: Path) -> None:
    store = Stored(tmp_path)
    base = store.add(WEIGHT)
    values = [near(WEIGHT) for _ in range(2)]
    sides = [store.add(one, base) for one in values]
    average = store.add((values[0] + values[1]) / 2, *sides, base)
    assert (average.encoding, set(average.bases)) == ("blend", digests(*sides))
    assert store.size(average) < 300


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_task_arithmetic_is_stored_as_a_sum_of_three(tmp_path: Path, dtype: str) -> None:
    kind = numpy_dtype(dtype)
    changes = (numpy.float32(0.1) * RANDOM.standard_normal(WEIGHT.shape) for _ in range(2))
    values = [WEIGHT.astype(kind), *((WEIGHT + change).astype(kind) for change in changes)]
    store = Stored(tmp_path)
    versions = [store.add(one, dtype=dtype) for one in values]
    base, ours, theirs = (one.astype("f4") for one in values)
    merged = (base + numpy.float32(0.4) * (ours + theirs - 2 * base)).astype(kind)
    found = store.add(merged, *versions, dtype=dtype)
    assert set(found.bases) == digests(*versions)
    assert store.size(found) < 0.02 * merged.nbytes


def test_a_sum_needs_a_side_that_is_all_but_0(tmp_path: Path) -> None:
    """The moments of an optimizer, where one side has just begun."""
    store = Stored(tmp_path)
    small = numpy.asarray(1e-5 * RANDOM.standard_normal(WEIGHT.shape), "f4")
    sides = [store.add(WEIGHT), store.add(small)]
    found = store.add((WEIGHT + small) / numpy.float32(2), *sides)
    assert set(found.bases) == digests(*sides)


def test_sums_of_sums_do_not_become_too_deep(tmp_path: Path) -> None:
    store = Stored(tmp_path)
    weight = WEIGHT
    merged = store.add(weight)
    depths = []
    for _ in range(5):
        values = [near(weight) for _ in range(2)]
        sides = [store.add(one, merged) for one in values]
        weight = (values[0] + values[1]) / 2
        merged = store.add(weight, *sides, merged)
        depths.append(Base(tuple(store.chain(merged))).depth)
    assert 2 < max(depths) <= MAX_DEPTH
