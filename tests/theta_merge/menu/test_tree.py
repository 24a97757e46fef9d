from __future__ import annotations

from theta_merge.menu.tree import rows

NAMES = ["encoder.layer.10.w", "encoder.layer.2.b", "encoder.layer.2.w", "head", "optimizer/0/step"]


def drawn(names: list[str], *folded: str) -> list[str]:
    return ["  " * row.depth + row.label for row in rows(names, folded)]


def test_modules_hold_groups_in_the_order_of_their_numbers() -> None:
    assert drawn(NAMES) == [
        "encoder.layer.",
        "  2.",
        "    b",
        "    w",
        "  10.w",
        "head",
        "optimizer/0/step",
    ]


def test_folded_modules_hide_what_is_in_them() -> None:
    assert drawn(NAMES, "encoder.layer.") == ["encoder.layer.", "head", "optimizer/0/step"]


def test_a_row_stands_for_every_group_below_it() -> None:
    assert rows(NAMES)[0].names == ("encoder.layer.2.b", "encoder.layer.2.w", "encoder.layer.10.w")


def test_a_group_that_is_also_a_module() -> None:
    assert drawn(["a", "a.b", "a.c", "a..d"]) == ["a", "a.", "  .d", "  b", "  c"]
    assert drawn([""]) == [""]
