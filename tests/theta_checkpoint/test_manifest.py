from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import object_ids
from theta_checkpoint.manifest import parse
from theta_checkpoint.manifest import quoted
from theta_checkpoint.manifest import unquoted

ONE, TWO, THREE, FOUR = ("11" * 32, "22" * 32, "33" * 32, "44" * 32)


def manifest(**changes: object) -> Manifest:
    facts: dict[str, object] = {
        "format": "pytorch-zip",
        "groups": {
            "weight": Tensor("weight", "F32", (3, 4), ONE, (1, 3)),
            "scalar": Tensor("scalar", "BF16", (), TWO),
        },
        "aliases": {"tied": Alias("tied", "F32", (3,), "weight", 12, (4,))},
        "values": {"epoch": Value("epoch", "3")},
        "skeleton": THREE,
        "recipes": {
            ONE: Recipe(ONE, "delta", (FOUR,), bases=(TWO,)),
            TWO: Recipe(TWO, "dense", (ONE, TWO)),
            FOUR: Recipe(FOUR, "dense", (ONE,), span=(20, 300)),
            THREE: Recipe(THREE, "dense", ()),
        },
        "sketches": FOUR,
    }
    return Manifest(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_manifest_reads_as_one_fact_a_line() -> None:
    assert str(manifest()) == (
        "theta 1\n"
        "format pytorch-zip\n"
        f"root blake3:{manifest().root}\n"
        "value epoch 3\n"
        f"group scalar BF16[] blake3:{TWO}\n"
        f"group weight F32[3,4] strides=1,3 blake3:{ONE}\n"
        "alias tied F32[3] weight offset=12 strides=4\n"
        f"skeleton blake3:{THREE}\n"
        f"sketches {FOUR}\n"
        f"object blake3:{ONE} delta base=blake3:{TWO} {FOUR}\n"
        f"object blake3:{TWO} dense {ONE} {TWO}\n"
        f"object blake3:{THREE} dense\n"
        f"object blake3:{FOUR} dense at=20,300 {ONE}\n"
    )


def leaning_on_two() -> Manifest:
    return manifest(recipes={**manifest().recipes, ONE: Recipe(ONE, "blend", (FOUR,), bases=(TWO, THREE))})


def test_a_recipe_may_have_several_bases() -> None:
    one, two = str(manifest()).splitlines(), str(leaning_on_two()).splitlines()
    assert [(old, new) for old, new in zip(one, two, strict=True) if old != new] == [
        (
            f"object blake3:{ONE} delta base=blake3:{TWO} {FOUR}",
            f"object blake3:{ONE} blend base=blake3:{TWO},blake3:{THREE} {FOUR}",
        ),
    ]
    assert leaning_on_two().root == manifest().root
    assert object_ids(bytes(leaning_on_two())) == object_ids(bytes(manifest()))


def test_what_is_written_is_read_back() -> None:
    for written in (manifest(), leaning_on_two()):
        assert parse(bytes(written)) == written


@pytest.mark.parametrize(
    "bases", ["", "blake3:", f"blake3:{TWO},", f"blake3:{TWO},{THREE}", f"blake3:{TWO} blake3:{TWO}"]
)
def test_bases_that_are_written_in_another_way_are_refused(bases: str) -> None:
    text = str(leaning_on_two()).replace(f"blake3:{TWO},blake3:{THREE}", bases)
    with pytest.raises(BadManifest, match="not a line"):
        parse(text.encode())


def test_the_root_covers_what_the_checkpoint_is_and_not_how_it_is_stored() -> None:
    assert manifest(recipes={}, sketches=None).root == manifest().root
    assert manifest(format="safetensors").root != manifest().root
    assert manifest(values={}).root != manifest().root


@pytest.mark.parametrize(
    "name", ["plain", "a/b.c", "two words", 'quo"te', "back\\slash", "new\nline", "", "ü", "\0", "\x1b["]
)
def test_any_name_survives_its_line(name: str) -> None:
    assert unquoted(quoted(name)) == name
    assert quoted(name).isascii()
    assert quoted(name).isprintable()
    groups = {name: Tensor(name, "F32", (1,), ONE)}
    assert parse(bytes(manifest(groups=groups, aliases={}))).groups == groups


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("theta 1\n", "theta 2\n"),
        ("value epoch 3\n", "value epoch 4\n"),
        ("value epoch 3\n", "<<<<<<< ours\nvalue epoch 3\n"),
        ("value epoch 3\n", "value epoch 3\nvalue epoch 3\n"),
        ("BF16[]", "BF16[,]"),
        ("BF16[]", "BF15[]"),
        ("group scalar", 'group "\\x"'),
        ("value epoch 3", "value epoch \x1b[31m"),
        (f"skeleton blake3:{THREE}\n", ""),
        ("\n", "\r\n"),
        (f"object blake3:{THREE} dense\n", f"object blake3:{THREE} dense"),
    ],
)
def test_anything_else_is_refused(old: str, new: str) -> None:
    text = str(manifest())
    assert old in text
    with pytest.raises(BadManifest):
        parse(text.replace(old, new).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "nobody"},
        {"owner": "tied"},
        {"offset": 40},
        {"shape": (5,)},
        {"strides": (4, 1)},
        {"strides": (10**17,)},
        {"shape": (10**17, 10**17), "strides": None},
        {"dtype": "F64", "shape": (1, 6), "strides": None},
    ],
)
def test_a_tied_tensor_lies_in_its_owner(changes: dict[str, Any]) -> None:
    tied = Alias("tied", "F32", (3,), "weight", 12, (4,))
    with pytest.raises(BadManifest, match="tied does not lie in"):
        parse(bytes(manifest(aliases={"tied": replace(tied, **changes)})))


def test_damaged_text_is_one_kind_of_error() -> None:
    chance = random.Random(1)
    text = str(manifest())
    pieces = [
        '"',
        "\\",
        '"\\ud800"',
        " ",
        "\n",
        ",",
        "0",
        "-1",
        "9" * 18,
        "=",
        "at=0,5",
        "[",
        "]",
        "\u2028",
        "\ufffd",
        "ü",
    ]
    pieces += text.splitlines(keepends=True)
    read = 0
    for _ in range(1000):
        place = chance.randrange(len(text))
        changed = text[:place] + chance.choice(pieces) + text[place + chance.choice([0, 0, 1, 5, 80]) :]
        data = rooted(changed).encode()
        try:
            assert bytes(parse(data)) == data
            read += 1
        except BadManifest:
            pass
    assert read > 10


def rooted(text: str) -> str:
    """The text with the root that its lines have: what is behind it is checked too."""
    semantic = ("format ", "value ", "group ", "alias ", "skeleton ")
    lines = text.splitlines(keepends=True)
    root = blake3("".join(line for line in lines if line.startswith(semantic)).encode()).hexdigest()
    return "".join(f"root blake3:{root}\n" if line.startswith("root ") else line for line in lines)


def test_a_refusal_names_the_line() -> None:
    text = str(manifest()).replace("value epoch 3", "<<<<<<< ours")
    with pytest.raises(BadManifest, match="line 4: not a line of a manifest: '<<<<<<< ours'"):
        parse(text.encode())


def test_every_object_is_found_without_parsing() -> None:
    assert sorted(object_ids(bytes(manifest()))) == [ONE, TWO, FOUR]


def test_only_the_first_line_makes_a_claim() -> None:
    assert is_manifest(b"theta 1\nanything")
    assert is_manifest(b"theta 10\n")
    assert not is_manifest(b"theta is a letter\n")
    assert not is_manifest(b"theta 1")
