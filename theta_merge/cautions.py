"""Cautions: what the user should know of a merge that was done, gathered while it was computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from theta_merge.decide import side_name

UNEQUAL = 3.0
"""how many times as large as another side's change one may be before methods on changes do badly: DisTaC, ICLR 2026"""


@dataclass(frozen=True)
class Cautions:
    """May be told from several threads at once."""

    remarks: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """groups by strategy and remark"""
    squares: dict[str, dict[int, float]] = field(default_factory=dict)
    """by strategy, for each side the sum of squares of its changes since base"""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remark(self, strategy: str, group: str, text: str) -> None:
        """What a strategy says of a group."""
        with self._lock:
            self.remarks.setdefault((strategy, text), set()).add(group)

    def changed(self, strategy: str, squares: Mapping[int, float]) -> None:
        """How much the sides changed what a strategy merges."""
        with self._lock:
            sums = self.squares.setdefault(strategy, {})
            for side, square in squares.items():
                sums[side] = sums.get(side, 0.0) + square

    def notes(self) -> Iterator[str]:
        """Each of them in one line, once for the whole merge."""
        for (strategy, text), groups in sorted(self.remarks.items()):
            where = f"group {next(iter(groups))}" if len(groups) == 1 else f"{len(groups)} groups"
            yield f"strategy {strategy}, {where}: {text}"
        for strategy, squares in sorted(self.squares.items()):
            yield from _unequal(strategy, squares)


def _unequal(strategy: str, squares: Mapping[int, float]) -> Iterator[str]:
    """That one side changed much more than another, if it did."""
    most, least = max(squares, key=lambda side: squares[side]), min(squares, key=lambda side: squares[side])
    if squares[most] > UNEQUAL**2 * squares[least] > 0:
        ratio = (squares[most] / squares[least]) ** 0.5
        yield (
            f"strategy {strategy}: {side_name(most)} changed {ratio:.2g} times as much as {side_name(least)} (norm of "
            f"the changes since base); merging changes that unequal tends to lose the smaller ones: try other weights, "
            f"or average"
        )
