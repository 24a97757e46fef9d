"""A whole group, seen a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

PIECE = 28 * 4096
"""Elements of an elementwise merge computed at a time: few enough for everything between reading and writing to stay in
cache, many enough for calls into torch to cost little. Work on several groups at once, from as many threads, and give
torch itself one (``torch.set_num_threads``): the barriers of its own cost a busy machine far more than they gain."""

OfSide = Callable[["Tensor | None", "Tensor"], "Tensor"]
"""from slices of base and of a side to a slice of as many elements, each from those at its place alone"""


class Flat(Protocol):
    """A version of a group in C order: a flat tensor, or what reads slices of it as they are asked for."""

    @property
    def dtype(self) -> torch.dtype:
        """of the elements"""
        ...

    def __len__(self) -> int:
        """The number of elements."""
        ...

    def __getitem__(self, part: slice, /) -> Tensor:
        """Some of them."""
        ...


def pieces(flat: Flat) -> Iterator[slice]:
    """The slices that cover a group: of ``PIECE`` elements each, but all at once of a tensor on another device."""
    elsewhere = isinstance(flat, Tensor) and flat.device.type != "cpu"
    step = max(1, len(flat)) if elsewhere else PIECE
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
    """A whole group as :attr:`strategies.contract.Strategy.look` sees it: in the compute dtype, unchecked."""

    base: Flat | None
    sides: Sequence[Flat]
    precision: torch.dtype

    def values(self, side: int, function: OfSide) -> Values:
        """What an elementwise function gives for one side of the group."""
        flat = self.sides[side]

        def applied(part: slice) -> Tensor:
            base = None if self.base is None else self.base[part].to(self.precision)
            return function(base, flat[part].to(self.precision))

        return Values(len(flat), lambda: map(applied, pieces(flat)), lambda step: applied(slice(None, None, step)))
