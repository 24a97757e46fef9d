"""Encodings of parameter objects: one module each, listed here.

An object holds one chunk of a group. A module says how to get the chunk's raw bytes back::

    NAME: str                                                what a recipe calls it
    decoded(data: bytes, base: bytes | None) -> bytes        exact bits, on every machine

``base`` is the same chunk of the recipe's base, raw, for encodings that lean on one; empty where the base has
fewer chunks, and shorter or longer than the result where the tensor grew or shrank.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from theta_store.objects import CorruptObject

MODULES = {
    "dense": "theta_store.encodings.dense",
    "delta": "theta_store.encodings.delta",
    "sparse": "theta_store.encodings.sparse",
    "low-rank": "theta_store.encodings.low_rank",
    "ia3": "theta_store.encodings.ia3",
}
ENTRY_POINTS = "theta.encodings"
"""the group of entry points under which other packages offer modules of their own"""


class Encoding(Protocol):
    """What a module of this package offers to readers."""

    NAME: str

    def decoded(self, data: bytes, base: bytes | None) -> bytes:
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
