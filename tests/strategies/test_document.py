from __future__ import annotations

from pathlib import Path

import pytest

from strategies.contract import Strategy
from strategies.document import page
from strategies.document import section
from strategies.registry import built_in_strategies

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(built_in_strategies()), "run: python -m strategies.document > docs/strategies.md"


@pytest.mark.parametrize("each", built_in_strategies(), ids=lambda each: each.name)
def test_a_section_tells_what_when_and_how(each: Strategy) -> None:
    text = section(each)
    for part in (each.formula, each.when, each.cost, each.reference or ""):
        assert part in text
    for option in each.options:
        assert f"`{option.name}`" in text or f"`{option.name}`" in page([])


def test_no_table_cell_breaks_its_row() -> None:
    rows = [line for line in page(built_in_strategies()).split("\n") if line.startswith("|")]
    assert {row.count("|") for row in rows} == {3, 5}
