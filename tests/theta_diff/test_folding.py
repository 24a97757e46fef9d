from __future__ import annotations

import pytest

from theta_diff.folding import folded
from theta_diff.folding import natural_order


def fold(names: list[str], kind: str = "") -> list[str]:
    return [found.name for found in folded(names, str, lambda name: name in kind)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["layer.0.w", "layer.1.w", "layer.2.w"], ["layer.{0..2}.w"]),
        (["layer.0.w", "layer.2.w", "layer.3.w"], ["layer.{0,2..3}.w"]),
        (["layer.10.w", "layer.9.w"], ["layer.{9..10}.w"]),
        (["layer.5.w"], ["layer.5.w"]),
        (["a.weight", "b.weight"], ["a.weight", "b.weight"]),
        (["conv1.w", "conv2.w"], ["conv1.w", "conv2.w"]),
        (["state/0/x", "state/1/x"], ["state/{0..1}/x"]),
        (["h.01.w", "h.02.w"], ["h.01.w", "h.02.w"]),
        (["0", "1"], ["{0..1}"]),
        ([f"w.{2 * i}" for i in range(9)], ["w.{0..16(9)}"]),
    ],
)
def test_names_that_differ_in_a_number_become_one(names: list[str], expected: list[str]) -> None:
    assert fold(names) == expected


def test_a_full_grid_of_two_numbers_becomes_one_name() -> None:
    names = [f"layers.{layer}.experts.{expert}.w" for layer in range(4) for expert in range(8)]
    assert fold(names) == ["layers.{0..3}.experts.{0..7}.w"]


def test_a_grid_with_a_hole_is_not_hidden() -> None:
    names = [f"layers.{i}.experts.{j}.w" for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    assert fold(names) == ["layers.{0,2}.experts.{0..2}.w", "layers.1.experts.{0,2}.w"]


def test_only_items_of_one_kind_are_folded() -> None:
    assert fold(["l.0.w", "l.1.w", "l.2.w"], kind="l.1.w") == ["l.{0,2}.w", "l.1.w"]


def test_every_item_is_in_exactly_one_fold() -> None:
    names = [f"a.{i}.b.{j}" for i in range(5) for j in range(i)] + ["a", "a.1", "b.2.c.3.d.4"]
    found = [name for fold in folded(names, str, lambda name: 0) for name in fold.items]
    assert sorted(found) == sorted(names)


def test_natural_order_puts_2_before_10() -> None:
    assert sorted(["l.10.w", "l.2.w", "k"], key=natural_order) == ["k", "l.2.w", "l.10.w"]
