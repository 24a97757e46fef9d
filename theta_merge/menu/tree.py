"""The tree of modules that a list of group names spells. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

_PART = re.compile(r"[^./]*[./]?")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree."""

    key: str
    """a group's name, or the prefix that all groups of a module share"""
    label: str
    """what is new in this line against its parent's"""
    depth: int
    names: tuple[str, ...]
    """the groups it stands for"""
    leaf: bool


def rows(names: Sequence[str], folded: Collection[str] = ()) -> list[Row]:
    """The tree of names, line by line, layer 2 before layer 10; modules in ``folded`` do not show what is in them.

    A module with one entry takes no line of its own.
    """
    return list(_rows(tuple(sorted(names, key=_natural)), "", 0, folded))


def _natural(name: str) -> list[tuple[int, str]]:
    """What names are sorted by: numbers by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _rows(names: tuple[str, ...], prefix: str, depth: int, folded: Collection[str]) -> Iterator[Row]:
    for key, inside in _children(names, prefix):
        if len(inside) == 1:
            yield Row(inside[0], inside[0][len(prefix) :], depth, inside, leaf=True)
            continue
        shared = _shared_prefix(inside, key)
        yield Row(shared, shared[len(prefix) :], depth, inside, leaf=False)
        if shared not in folded:
            yield from _rows(inside, shared, depth + 1, folded)


def _children(names: tuple[str, ...], prefix: str) -> list[tuple[str, tuple[str, ...]]]:
    """The names grouped by their next part after the prefix."""
    found: dict[str, list[str]] = {}
    for name in names:
        part = _PART.match(name, len(prefix))
        found.setdefault(prefix + (part[0] if part else ""), []).append(name)
    return [(key, tuple(inside)) for key, inside in found.items()]


def _shared_prefix(names: tuple[str, ...], prefix: str) -> str:
    """The longest prefix of whole parts that all names share."""
    while True:
        children = _children(names, prefix)
        if len(children) != 1 or children[0][0] == prefix:
            return prefix
        prefix = children[0][0]
