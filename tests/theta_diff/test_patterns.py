from __future__ import annotations

import pytest

from theta_diff.folding import folded
from theta_diff.patterns import matcher


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "any.name", True),
        ("layer.?.weight", "layer.3.weight", True),
        ("layer.{0..3,7}.weight", "layer.3.weight", True),
        ("layer.{0..3,7}.weight", "layer.7.weight", True),
        ("layer.{0..3,7}.weight", "layer.5.weight", False),
        ("layer.{0..3,7}.*", "layer.1.bias", True),
        ("*layer.{10..133(62)}.*", "encoder.layer.12.bias", True),
        ("layer.{1..2}.weight", "layer.11.weight", False),
        ("a.{0..1}.b.{0..1}", "a.1.b.0", True),
        ("a{x}", "a{x}", True),
        ("[ab].{0..1}\n", "a.1\n", True),
    ],
)
def test_a_name_matches(pattern: str, name: str, matches: bool) -> None:
    assert matcher(pattern)(name) is matches


def test_a_folded_name_finds_what_was_folded() -> None:
    names = [f"layer.{i}.expert.{j}.w" for i in (0, 1, 2, 5) for j in range(3)]
    (fold,) = folded(names, str, lambda name: None)
    assert list(filter(matcher(fold.name), [*names, "layer.3.expert.0.w"])) == names
