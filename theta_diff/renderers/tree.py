"""Rows as a tree of modules: what names share is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from theta_diff.renderers.rows import Row

MODULE = 5
"""rows from which a module gets a line of its own"""
_SEPARATOR = re.compile(r"(?<=[./])(?![^{]*\})")


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree: a module, or a row."""

    depth: int
    label: str
    """the part of the name that no line above has said"""
    row: Row | None = None


@dataclass(slots=True)
class _Node:
    rows: list[Row] = field(default_factory=list)
    children: dict[str, _Node] = field(default_factory=dict)
    size: int = 0
    """rows here and below"""


def branches(rows: Sequence[Row], smallest: int = MODULE) -> Iterator[Branch]:
    """The lines of the tree, in the order of the rows; modules of fewer than ``smallest`` share the lines of theirs."""
    root = _Node()
    for row in rows:
        node = root
        for part in _SEPARATOR.split(row.name):
            node = node.children.setdefault(part, _Node())
            node.size += 1
        node.rows.append(row)
    yield from _below(root, 0, "", smallest)


def _below(node: _Node, depth: int, prefix: str, smallest: int) -> Iterator[Branch]:
    for part, child in node.children.items():
        label = prefix + part
        yield from (Branch(depth, label, row) for row in child.rows)
        shares = child.size < smallest or (not child.rows and len(child.children) == 1)
        if not shares:
            yield Branch(depth, label)
        yield from _below(child, depth if shares else depth + 1, label if shares else "", smallest)
