from __future__ import annotations

import struct
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from theta_checkpoint.manifest import Recipe
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import chunk
from theta_store.chains import depth
from theta_store.chains import needed
from theta_store.chains import restorable
from theta_store.chains import shallowest
from theta_store.encodings import blend
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore


def digest(number: int) -> str:
    return f"{number:064x}"


def recipes(**bases: Sequence[int]) -> dict[str, Recipe]:
    """``recipes(d3=[2, 1], d2=[], d1=[])``: digest 3 leans on digests 2 and 1, which lean on none."""
    kinds = ("dense", "delta", *["blend"] * 8)
    found = (Recipe(digest(int(name[1:])), kinds[len(on)], (), tuple(map(digest, on))) for name, on in bases.items())
    return {recipe.digest: recipe for recipe in found}


def straight(length: int) -> dict[str, Recipe]:
    """``length`` recipes, each leaning on the next."""
    return recipes(**{f"d{n}": [n + 1] if n + 1 < length else [] for n in range(length)})


def numbers(found: Iterable[Recipe]) -> list[int]:
    return [int(recipe.digest, 16) for recipe in found]


def test_a_chain_goes_down_to_what_leans_on_nothing() -> None:
    assert numbers(chain(straight(3), digest(0))) == [0, 1, 2]


def test_a_recipe_that_several_lean_on_is_listed_once_and_behind_all_of_them() -> None:
    assert numbers(chain(recipes(d1=[4, 2], d2=[3], d3=[4], d4=[5], d5=[]), digest(1))) == [1, 2, 3, 4, 5]
    assert numbers(chain(recipes(d1=[2, 3], d2=[4], d3=[4], d4=[]), digest(1))) == [1, 2, 3, 4]


def test_each_base_of_a_recipe_makes_it_deeper() -> None:
    merge = recipes(d1=[2, 3], d2=[4], d3=[5], d4=[], d5=[])
    assert [depth(chain(merge, digest(number))) for number in (1, 2, 4)] == [3, 1, 0]
    assert depth(chain(recipes(d1=[2, 3, 4], d2=[3], d3=[], d4=[]), digest(1))) == 4


def test_a_chain_may_not_be_longer_than_it_may_be() -> None:
    assert len(chain(straight(MAX_DEPTH + 1), digest(0))) == MAX_DEPTH + 1
    with pytest.raises(CorruptObject, match="more than 8 bases"):
        chain(straight(MAX_DEPTH + 2), digest(0))


@pytest.mark.parametrize(("count", "levels"), [(2, 4), (4, 2), (8, 1)])
def test_bases_of_bases_are_not_as_many_as_there_are_ways_to_them(count: int, levels: int) -> None:
    """A manifest whose every recipe has 8 bases, 8 deep, has 16 million ways down."""
    bases = {
        f"d{level * 10 + place}": [(level + 1) * 10 + each for each in range(count)]
        for level in range(levels)
        for place in range(count if level else 1)
    }
    ground: dict[str, list[int]] = {f"d{levels * 10 + place}": [] for place in range(count)}
    found = chain(recipes(**bases, **ground), digest(0))
    assert (len(found), depth(found)) == (1 + levels * count, MAX_DEPTH)
    deeper = {name: [(levels + 1) * 10 + each for each in range(8)] for name in ground}
    rest: dict[str, list[int]] = {f"d{(levels + 1) * 10 + place}": [] for place in range(8)}
    with pytest.raises(CorruptObject, match="more than 8 bases"):
        chain(recipes(**bases, **deeper, **rest), digest(0))


def test_a_circle_is_refused() -> None:
    with pytest.raises(CorruptObject):
        chain(recipes(d1=[2], d2=[1]), digest(1))
    with pytest.raises(CorruptObject):
        chain(recipes(d1=[2, 3], d2=[], d3=[2, 1]), digest(1))


def test_a_base_without_a_recipe_is_refused() -> None:
    with pytest.raises(CorruptObject, match="does not say how"):
        chain(recipes(d1=[2]), digest(1))


def test_needed_recipes_are_those_of_every_base_and_no_others() -> None:
    assert needed(recipes(d1=[2, 4], d2=[], d3=[], d4=[]), [digest(1)]).keys() == {digest(1), digest(2), digest(4)}


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
    mixed = shallowest(recipes(d1=[2], d2=[3], d3=[]), recipes(d3=[2], d2=[1], d1=[]))
    assert {number: depth(chain(mixed, digest(number))) for number in (1, 2, 3)} == {1: 0, 2: 1, 3: 0}


def test_mixing_manifests_makes_nothing_deeper_where_bases_are_shared_no_longer() -> None:
    shared = recipes(d1=[2, 3], d2=[4], d3=[4], d4=[5], d5=[])
    mixed = shallowest(shared, recipes(d2=[6], d6=[]), recipes(d3=[7], d7=[]))
    assert numbers(chain(mixed, digest(1))) == [1, 2, 6, 3, 7]
    assert depth(chain(shared, digest(1))) == 4
    assert depth(chain(mixed, digest(1))) == 3


@settings(max_examples=200)
@given(st.data())
def test_manifests_that_are_sound_may_always_be_mixed(data: st.DataObject) -> None:
    """Each has the versions in an order of its own, in which each leans on earlier ones, if it is not too deep."""
    manifests = []
    for _ in range(3):
        found: dict[str, Recipe] = {}
        order = data.draw(st.permutations(range(8)))
        for place, number in enumerate(order):
            bases = data.draw(st.lists(st.sampled_from(order[:place]), max_size=3, unique=True)) if place else []
            tried = found | recipes(**{f"d{number}": bases})
            try:
                chain(tried, digest(number))
            except CorruptObject:
                tried = found | recipes(**{f"d{number}": []})
            found = tried
        manifests.append(found)
    mixed = shallowest(*manifests)
    for number in range(8):
        assert depth(chain(mixed, digest(number))) <= min(depth(chain(one, digest(number))) for one in manifests)


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


def test_a_base_that_several_lean_on_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ObjectStore(tmp_path)
    ground, ours, theirs = (struct.pack("<4f", *(one + n for n in range(4))) for one in (1, 2, 4))
    average = struct.pack("<4f", 3, 4, 5, 6)
    oids = {
        1: objects.write(blend.encoded(average, [ours, theirs], "F32", [0.5, 0.5])),
        2: objects.write(delta.encoded(ours, ground, "F32")),
        3: objects.write(delta.encoded(theirs, ground, "F32")),
        4: objects.write(dense.encoded(ground, 4)),
    }
    merge = recipes(d1=[2, 3], d2=[4], d3=[4], d4=[])
    whole = {one.digest: replace(one, oids=(oids[int(one.digest, 16)],)) for one in merge.values()}
    read: list[str] = []
    original = ObjectStore.read

    def noted(objects: ObjectStore, oid: str, span: tuple[int, int] | None = None) -> bytes:
        read.append(oid)
        return original(objects, oid, span)

    monkeypatch.setattr(ObjectStore, "read", noted)
    assert chunk(chain(whole, digest(1)), 0, objects) == average
    assert sorted(read) == sorted(oids.values())
