"""Encodings of parameter objects: one module each, listed here.

An object holds one chunk of a group. A module says how to get the chunk's raw bytes back::

    NAME: str                                                what a recipe calls it
    decoded(data: bytes, bases: Sequence[bytes]) -> bytes    exact bits, on every machine

``bases`` are the same chunk of each of the recipe's bases, raw; empty where a base has fewer chunks, and shorter or
longer than the result where the tensor grew or shrank.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from theta_store.objects import CorruptObject

MODULES = {
    "dense": "theta_store.encodings.dense",
    "delta": "theta_store.encodings.delta",
    "sparse": "theta_store.encodings.sparse",
    "blend": "theta_store.encodings.blend",
    "low-rank": "theta_store.encodings.low_rank",
    "ia3": "theta_store.encodings.ia3",
}
ENTRY_POINTS = "theta.encodings"
"""the group of entry points under which other packages offer modules of their own"""


class Encoding(Protocol):
    """What a module of this package offers to readers."""

    NAME: str

    def decoded(self, data: bytes, bases: Sequence[bytes]) -> bytes:
        """The raw bytes of one chunk; raises :class:`CorruptObject` if the object is damaged."""
        ...


def encoding(name: str) -> Encoding:
    """The encoding that a recipe names: of this package, or an entry point of an installed one."""
    if name in MODULES:
        module: Encoding = import_module(MODULES[name])
        return module
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS, name=name):
        other: Encoding = point.load()
        return other
    raise CorruptObject(f"stored with encoding {name!r}, which this version of theta does not know; upgrade theta")


def one_of(bases: Sequence[bytes]) -> bytes:
    """The base of an encoding that leans on one; raises :class:`CorruptObject` if there are none or several."""
    if len(bases) != 1:
        raise CorruptObject(f"an object that leans on one base was given {len(bases)}")
    return bases[0]
