"""Layers x kinds: how far every group of a deep model moved, one character each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from theta_diff.folding import natural_order
from theta_diff.report import Report

LEVELS = "▁▂▃▄▅▆▇█"
SAME, ADDED, REMOVED, UNKNOWN, NONE = "·", "+", "-", "?", " "
LEGEND = f"({LEVELS[0]} 0.001 % and less … {LEVELS[-1]} 100 % and more, log scale; {SAME} unchanged  {UNKNOWN} unknown)"

_FLOOR = 1e-5
_MIN_LAYERS, _MIN_KINDS = 3, 2
_SPREAD = 0.2
"""a factor of ten"""
_NUMBER = re.compile(r"(?:(?<=^)|(?<=[./]))[0-9]{1,6}(?=$|[./])")


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A grid of cells."""

    layers: tuple[int, ...]
    kinds: tuple[str, ...]
    """names with ``*`` for the layer and ``#`` for further numbers"""
    cells: Mapping[tuple[str, int], str | float]
    """by kind and layer: the largest relative change, or a sign where there is no number"""


def level(share: float) -> float:
    """Where a relative change stands on the scale: 0 for 0.001 % and less, 1 for 100 % and more."""
    if share <= _FLOOR:
        return 0.0
    return min(1.0, 1 - math.log10(share) / math.log10(_FLOOR))


def heat_maps(report: Report) -> list[HeatMap]:
    """A grid for each stack of layers, with all kinds of groups of which some moved.

    None where there is little to see: few layers or kinds, or the same in every cell.
    """
    cells: dict[tuple[str, int], str | float] = {}
    for name, value in _values(report):
        place = _place(name)
        if place:
            cells[place] = _stronger(cells.get(place), value)
    kinds = {kind for (kind, _), value in cells.items() if value != SAME}
    stacks: dict[str, dict[tuple[str, int], str | float]] = {}
    for (kind, layer), value in cells.items():
        if kind in kinds:
            stacks.setdefault(kind.partition("*")[0], {})[kind, layer] = value
    grids = (_grid(stacks[name]) for name in sorted(stacks, key=natural_order))
    return [grid for grid in grids if _is_telling(grid)]


def _grid(cells: Mapping[tuple[str, int], str | float]) -> HeatMap:
    kinds = sorted({kind for kind, _ in cells}, key=natural_order)
    return HeatMap(tuple(sorted({layer for _, layer in cells})), tuple(kinds), cells)


def _is_telling(grid: HeatMap) -> bool:
    """Whether layers or kinds stand out: some moved and some did not, or far more than others."""
    moved = {layer for (_, layer), value in grid.cells.items() if isinstance(value, float)}
    levels = [level(value) for value in grid.cells.values() if isinstance(value, float)]
    signs = any(isinstance(value, str) for value in grid.cells.values())
    wide = len(grid.layers) >= _MIN_LAYERS and len(grid.kinds) >= _MIN_KINDS and len(moved) >= 2
    return wide and (signs or max(levels) - min(levels) >= _SPREAD)


def drawn(grid: HeatMap, width: int) -> Iterator[str]:
    """The grid as lines for a terminal, below a head with what all kinds share; nothing where it does not fit."""
    stack, star, _ = grid.kinds[0].partition("*")
    labels = {kind: f"  {kind.removeprefix(stack + star).lstrip('./')}" for kind in grid.kinds}
    label = max(map(len, (f"{stack}*  layer", *labels.values())))
    if label + 2 + len(grid.layers) > width:
        return
    first, last = str(grid.layers[0]), str(grid.layers[-1])
    head = f"{stack}*{'layer'.rjust(label - len(stack) - 1)}"
    yield f"{head}  {first}{last.rjust(len(grid.layers) - len(first))}"
    for kind in grid.kinds:
        cells = (grid.cells.get((kind, layer), NONE) for layer in grid.layers)
        yield f"{labels[kind].ljust(label)}  {''.join(map(_character, cells))}"


def bar(share: float, width: int = 6) -> str:
    """A bar on the same scale: full at 100 %."""
    eighths = round(level(share) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "") or "▏").ljust(width)


def _values(report: Report) -> Iterator[tuple[str, str | float]]:
    comparison = report.comparison
    yield from ((tensor.name, SAME) for tensor in comparison.same)
    yield from ((pair.new.name, SAME) for pair in comparison.renamed)
    yield from ((tensor.name, ADDED) for tensor in comparison.added)
    yield from ((tensor.name, REMOVED) for tensor in comparison.removed)
    for pair in comparison.modified:
        change = report.changes.get(pair.new.name)
        moved = change.relative_change if change else None
        yield pair.new.name, UNKNOWN if moved is None else moved


def _place(name: str) -> tuple[str, int] | None:
    """The kind and layer of a name; None for a name without a number."""
    found = _NUMBER.search(name)
    if not found or not name.isprintable():
        return None
    return name[: found.start()] + "*" + _NUMBER.sub("#", name[found.end() :]), int(found[0])


def _stronger(one: str | float | None, other: str | float) -> str | float:
    """Of several groups in one cell the one that moved furthest."""
    if one is None or one == SAME:
        return other
    if isinstance(one, float) and isinstance(other, float):
        return max(one, other)
    return one if other == SAME or isinstance(one, float) else other


def _character(value: str | float) -> str:
    return value if isinstance(value, str) else LEVELS[min(7, int(level(value) * 8))]
