"""A whole group, seen a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PIECE = 28 * 4096
"""Elements of an elementwise merge computed at a time: few enough for everything between reading and writing to stay in
cache, many enough for calls into torch to cost little. Work on several groups at once, from as many threads, and give
torch itself one (``torch.set_num_threads``): the barriers of its own cost a busy machine far more than they gain."""

Elementwise = Callable[["Tensor | None", "Sequence[Tensor]"], "Tensor"]
"""from slices of base and of the sides to a slice of as many elements, each from those at its place alone"""


def pieces(flat: Tensor) -> Iterator[slice]:
    """The slices that cover a flat tensor: of ``PIECE`` elements each on the CPU, all at once on other devices."""
    step = PIECE if flat.device.type == "cpu" else max(1, len(flat))
    return (slice(start, start + step) for start in range(0, len(flat), step))


@dataclass(frozen=True, slots=True)
class Values:
    """Many values in order, of which only a piece is held."""

    count: int
    pieces: Callable[[], Iterator[Tensor]]
    """starts over: all of them, flat"""
    sample: Callable[[int], Tensor]
    """every n-th of them"""


def values_of(tensor: Tensor) -> Values:
    """The elements of a tensor in C order."""
    flat = tensor.reshape(-1)
    return Values(len(flat), lambda: (flat[piece] for piece in pieces(flat)), lambda step: flat[::step])


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole group as :attr:`strategies.contract.Strategy.look` sees it: flat, in the compute dtype, unchecked."""

    base: Tensor | None
    sides: Sequence[Tensor]
    precision: torch.dtype

    def values(self, function: Elementwise) -> Values:
        """What an elementwise function gives for the group."""
        return Values(
            self.sides[0].numel(),
            lambda: (self._applied(function, piece) for piece in pieces(self.sides[0].reshape(-1))),
            lambda step: self._applied(function, slice(None, None, step)),
        )

    def _applied(self, function: Elementwise, part: slice) -> Tensor:
        base = None if self.base is None else self._part(self.base, part)
        return function(base, [self._part(side, part) for side in self.sides])

    def _part(self, tensor: Tensor, part: slice) -> Tensor:
        return tensor.reshape(-1)[part].to(self.precision)
