from __future__ import annotations

from theta_diff.renderers.rows import Entry
from theta_diff.renderers.rows import Row
from theta_diff.renderers.tree import branches


def drawn(*names: str) -> list[str]:
    rows = [Row(name, (Entry("~", name, "F32[1]"),)) for name in names]
    return [("~" if b.row else " ") + " " * b.depth + b.label for b in branches(rows)]


def test_a_module_of_many_rows_is_named_once() -> None:
    names = [f"encoder.layer.{{0..11}}.{part}.weight" for part in "abcde"]
    assert drawn(*names, "head") == [
        " encoder.layer.{0..11}.",
        "~ a.weight",
        "~ b.weight",
        "~ c.weight",
        "~ d.weight",
        "~ e.weight",
        "~head",
    ]


def test_a_module_of_few_rows_has_no_line() -> None:
    assert drawn("a.b.c", "a.b.d", "e/f") == ["~a.b.c", "~a.b.d", "~e/f"]


def test_modules_are_nested() -> None:
    names = [f"m.x.{i}" for i in "abcde"] + [f"m.y.{i}" for i in "abcde"]
    assert [line for line in drawn(*names) if line.startswith(" ")] == [" m.", "  x.", "  y."]


def test_a_name_that_is_also_a_module() -> None:
    assert drawn("m", "m.a", "m.b") == ["~m", "~m.a", "~m.b"]
