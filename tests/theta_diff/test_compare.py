from __future__ import annotations

from dataclasses import replace

import pytest

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_diff.compare import Comparison
from theta_diff.compare import ValueChange
from theta_diff.compare import compared


def manifest(*tensors: Tensor, values: dict[str, str] | None = None, ties: dict[str, str] | None = None) -> Manifest:
    groups = {tensor.name: tensor for tensor in tensors}
    return Manifest(
        format="safetensors",
        groups=groups,
        aliases={a: Alias(a, groups[o].dtype, groups[o].shape, o) for a, o in (ties or {}).items()},
        values={name: Value(name, text) for name, text in (values or {}).items()},
        skeleton="5" * 64,
        recipes={},
    )


def tensor(name: str, content: str = "0", dtype: str = "F32", shape: tuple[int, ...] = (2, 3)) -> Tensor:
    return Tensor(name, dtype, shape, content * 64)


def names(comparison: Comparison) -> dict[str, list[str]]:
    found = {
        "added": [t.name for t in comparison.added],
        "removed": [t.name for t in comparison.removed],
        "modified": [pair.new.name for pair in comparison.modified],
        "renamed": [f"{pair.old.name} -> {pair.new.name}" for pair in comparison.renamed],
    }
    return {kind: listed for kind, listed in found.items() if listed}


A, B = tensor("a", "1"), tensor("b", "2")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([A, B], [A, B], {}),
        ([A], [A, B], {"added": ["b"]}),
        ([A, B], [A], {"removed": ["b"]}),
        ([A], [tensor("a", "3")], {"modified": ["a"]}),
        ([A], [tensor("a", "1", shape=(3, 2))], {"modified": ["a"]}),
        ([A], [tensor("a", "1", dtype="I32")], {"modified": ["a"]}),
        ([A], [tensor("z", "1")], {"renamed": ["a -> z"]}),
        ([A], [tensor("z", "1", shape=(6,))], {"added": ["z"], "removed": ["a"]}),
        ([A], [A, tensor("z", "1")], {"added": ["z"]}),
        ([A, tensor("c", "1")], [tensor("x", "1"), tensor("y", "1")], {"renamed": ["a -> x", "c -> y"]}),
        ([tensor("a", shape=(0,))], [tensor("z", shape=(0,))], {"added": ["z"], "removed": ["a"]}),
    ],
)
def test_groups_are_sorted_into_kinds(old: list[Tensor], new: list[Tensor], expected: dict[str, list[str]]) -> None:
    assert names(compared(manifest(*old), manifest(*new))) == expected


def test_equal_manifests_have_no_difference() -> None:
    comparison = compared(manifest(A, B), manifest(A, B))
    assert comparison.is_empty
    assert comparison.unchanged == 2
    assert comparison.parameters == 12


def test_an_absent_file_has_no_groups() -> None:
    assert names(compared(None, manifest(A))) == {"added": ["a"]}
    assert names(compared(manifest(A), None)) == {"removed": ["a"]}


def test_values_are_added_removed_and_changed() -> None:
    comparison = compared(
        manifest(values={"epoch": "3", "gone": "1", "same": "0"}),
        manifest(values={"epoch": "4", "here": '"x"', "same": "0"}),
    )
    assert comparison.values == (
        ValueChange("epoch", "3", "4"),
        ValueChange("gone", "1", None),
        ValueChange("here", None, '"x"'),
    )


def test_a_tied_name_is_compared_through_its_owner() -> None:
    old = manifest(tensor("a", "1"), ties={"head": "a"})
    new = manifest(tensor("a", "2"), ties={"head": "a"})
    assert names(compared(old, new)) == {"modified": ["a", "head"]}


def test_which_of_two_tied_names_the_file_stores_is_no_change_of_a_group() -> None:
    old = manifest(tensor("a", "1"), ties={"b": "a"})
    new = manifest(tensor("b", "1"), ties={"a": "b"})
    comparison = compared(old, new)
    assert names(comparison) == {}
    assert comparison.tied == comparison.untied == ()
    assert comparison.other_bytes


def test_tying_and_untying_are_told() -> None:
    apart, tied = manifest(tensor("a", "1"), tensor("b", "1")), manifest(tensor("a", "1"), ties={"b": "a"})
    assert compared(apart, tied).tied == (("b", "a"),)
    assert compared(tied, apart).untied == (("b", "a"),)
    assert not compared(tied, apart).is_empty


def test_tied_parameters_count_once() -> None:
    assert compared(None, manifest(tensor("a", "1"), ties={"b": "a"})).parameters == 6


def test_another_format_is_a_difference() -> None:
    old = manifest(A)
    assert compared(old, replace(old, format="pytorch-zip")).formats == ("safetensors", "pytorch-zip")


def test_only_bytes_outside_of_groups_differ() -> None:
    old = manifest(A)
    comparison = compared(old, replace(old, skeleton="6" * 64))
    assert comparison.other_bytes
    assert not comparison.is_empty
    assert comparison.unchanged == 1
