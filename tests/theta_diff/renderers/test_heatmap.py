from __future__ import annotations

import pytest

from theta_diff.change import Change
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.renderers.heatmap import bar
from theta_diff.renderers.heatmap import drawn
from theta_diff.renderers.heatmap import heat_maps
from theta_diff.renderers.heatmap import level
from theta_diff.report import Report


def report(moved: dict[str, float | None], same: list[str]) -> Report:
    def tensor(name: str) -> NamedTensor:
        return NamedTensor(name, "F32", (1,), "0" * 64)

    pairs = tuple(Pair(tensor(name), tensor(name)) for name in moved)
    comparison = Comparison(modified=pairs, same=tuple(map(tensor, same)))
    return Report("a", "b", comparison, {name: Change(share) for name, share in moved.items()})


def test_layers_are_columns_and_kinds_are_rows() -> None:
    same = [f"l.{i}.{kind}" for i in range(4) for kind in ("k", "q") if (i, kind) not in [(1, "q"), (3, "q"), (2, "k")]]
    (grid,) = heat_maps(report({"l.1.q": 1.0, "l.3.q": 1e-6, "l.2.k": None}, same))
    assert list(drawn(grid, 80))[:3] == ["l.*  layer  0  3", "  k         ··?·", "  q         ·█·▁"]


@pytest.mark.parametrize(
    ("moved", "same"),
    [
        ({"head": 0.1, "tail": 0.2}, []),
        ({"l.0.q": 0.1, "l.1.q": 0.2}, ["l.2.q", "l.3.q"]),
        ({"l.0.q": 0.1, "l.0.k": 0.2}, ["l.1.q", "l.2.q", "l.3.q"]),
        ({f"l.{i}.{kind}": 0.1 for i in range(4) for kind in "qk"}, []),
    ],
    ids=["no layers", "one kind", "one layer moved", "the same everywhere"],
)
def test_where_there_is_little_to_see_there_is_no_grid(moved: dict[str, float | None], same: list[str]) -> None:
    assert heat_maps(report(moved, same)) == []


def test_every_stack_of_layers_has_its_own_grid() -> None:
    moved: dict[str, float | None] = {f"{side}.{i}.{kind}": 0.1**i for side in "ab" for i in range(5) for kind in "kq"}
    assert [grid.kinds for grid in heat_maps(report(moved, []))] == [("a.*.k", "a.*.q"), ("b.*.k", "b.*.q")]


def test_experts_of_a_layer_share_a_cell() -> None:
    moved: dict[str, float | None] = {
        f"l.{i}.experts.{j}.{kind}": 0.01 for i in range(4) for j in range(3) for kind in "ab"
    }
    moved["l.2.experts.1.a"] = 1.0
    (grid,) = heat_maps(report(moved, []))
    assert grid.cells["l.*.experts.#.a", 2] == 1.0


def test_a_grid_that_does_not_fit_is_left_out() -> None:
    (grid,) = heat_maps(report({f"l.{i}.{kind}": 0.1**i for i in range(4) for kind in "qk"}, []))
    assert list(drawn(grid, 8)) == []


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (1e-5, 0), (1, 1), (50, 1), (10**-2.5, 0.5)])
def test_the_scale_is_logarithmic(share: float, expected: float) -> None:
    assert level(share) == pytest.approx(expected)


def test_a_bar_is_never_empty_and_never_too_long() -> None:
    assert bar(0) == "▏     "
    assert bar(1) == bar(99) == "██████"
