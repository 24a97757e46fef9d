from __future__ import annotations

from pathlib import Path

import pytest

from theta_checkpoint.manifest import Recipe
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import chunk
from theta_store.chains import needed
from theta_store.chains import restorable
from theta_store.chains import shallowest
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore


def digest(number: int) -> str:
    return f"{number:064x}"


def recipes(**bases: int | None) -> dict[str, Recipe]:
    """``recipes(d2=1, d1=None)``: digest 2 leans on digest 1, which leans on none."""
    found = {}
    for name, base in bases.items():
        encoding = "dense" if base is None else "delta"
        recipe = Recipe(digest(int(name[1:])), encoding, (), () if base is None else (digest(base),))
        found[recipe.digest] = recipe
    return found


def straight(length: int) -> dict[str, Recipe]:
    """``length`` recipes, each leaning on the next."""
    return recipes(**{f"d{n}": n + 1 if n + 1 < length else None for n in range(length)})


def test_a_chain_goes_down_to_what_leans_on_nothing() -> None:
    assert [recipe.digest for recipe in chain(straight(3), digest(0))] == [digest(0), digest(1), digest(2)]


def test_a_chain_may_not_be_longer_than_it_may_be() -> None:
    assert len(chain(straight(MAX_DEPTH + 1), digest(0))) == MAX_DEPTH + 1
    with pytest.raises(CorruptObject, match="more than 8 bases"):
        chain(straight(MAX_DEPTH + 2), digest(0))


def test_a_circle_is_refused() -> None:
    with pytest.raises(CorruptObject):
        chain(recipes(d1=2, d2=1), digest(1))


def test_a_base_without_a_recipe_is_refused() -> None:
    with pytest.raises(CorruptObject, match="does not say how"):
        chain(recipes(d1=2), digest(1))


def test_needed_recipes_are_those_of_every_base_and_no_others() -> None:
    assert needed(recipes(d1=2, d2=None, d3=None), [digest(1)]).keys() == {digest(1), digest(2)}


def test_what_leans_on_a_missing_object_cannot_be_restored(tmp_path: Path) -> None:
    objects = ObjectStore(tmp_path)
    here, lost = objects.write(b"here"), "ab" * 32
    known = {
        digest(1): Recipe(digest(1), "delta", (here,), (digest(2),)),
        digest(2): Recipe(digest(2), "dense", (lost,)),
        digest(3): Recipe(digest(3), "dense", (here,)),
    }
    assert restorable(known, objects).keys() == {digest(3)}


def test_mixing_two_manifests_makes_neither_circles_nor_longer_chains() -> None:
    mixed = shallowest(recipes(d1=2, d2=3, d3=None), recipes(d3=2, d2=1, d1=None))
    assert {number: len(chain(mixed, digest(number))) for number in (1, 2, 3)} == {1: 1, 2: 2, 3: 1}


def test_a_chunk_is_decoded_from_the_ground_up(tmp_path: Path) -> None:
    objects = ObjectStore(tmp_path)
    first, second = b"\0\0\0\1" * 10, b"\0\0\0\2" * 12
    ground = Recipe(digest(2), "dense", (objects.write(dense.encoded(first, 4)),))
    leaning = Recipe(digest(1), "delta", (objects.write(delta.encoded(second, first, "I32")),), (digest(2),))
    assert chunk([leaning, ground], 0, objects) == second


def test_a_chunk_that_the_base_does_not_have_leans_on_nothing(tmp_path: Path) -> None:
    objects = ObjectStore(tmp_path)
    ground = Recipe(digest(2), "dense", ())
    leaning = Recipe(digest(1), "delta", (objects.write(delta.encoded(b"abcd", b"", "U8")),), (digest(2),))
    assert chunk([leaning, ground], 0, objects) == b"abcd"
