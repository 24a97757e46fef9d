"""What a file with a structure of its own making is written from, and when that cannot be done."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import Protocol

from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.pickled_dicts import joined

Tree = dict[str, object]
"""nested dicts by key; leaves are whatever was put in"""


class CannotWrite(ValueError):
    """A new file would not hold what it should; the message says which entry is in the way."""


class Blank(Protocol):
    """A tensor without its values, such as a group of a layout or of a manifest."""

    @property
    def name(self) -> str:
        """as in the manifest"""
        ...

    @property
    def dtype(self) -> str:
        """a key of DTYPES"""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """extents"""
        ...

    @property
    def strides(self) -> tuple[int, ...] | None:
        """elements per step of each axis; None for C order"""
        ...


class BlankView(Blank, Protocol):
    """A tensor that views another's bytes, such as an alias of a layout or of a manifest."""

    @property
    def owner(self) -> str:
        """name of the tensor that has the bytes"""
        ...

    @property
    def offset(self) -> int:
        """bytes from the start of the owner's"""
        ...


def json_value(name: str, text: str) -> object:
    """The value that stands in a manifest as ``text``; raises :class:`CannotWrite` where that is not JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise CannotWrite(f"{name}: {text[:80]} stands for a value that only the original file holds") from error


def refused(name: str, thing: object) -> object:
    """What :func:`inert` does with an object that is not plain: it raises :class:`CannotWrite`."""
    raise CannotWrite(f"{name}: a {type(thing).__name__} cannot be written")


def inert(thing: object, name: str = "", other: Callable[[str, object], object] = refused) -> object:
    """Plain Python objects as :mod:`theta_checkpoint.inert_pickle` would read them; what is inert stays as it is.

    An object of any other class is what ``other`` makes of its name and itself.
    """
    match thing:
        case None | bool() | Global() | Inert() | Persistent():
            return thing
        case int():
            return int(thing)
        case float():
            return float(thing)
        case str():
            return str(thing)
        case bytes():
            return Inert(Global("_codecs", "encode"), (thing.decode("latin1"), "latin1"))
        case OrderedDict():
            state = inert(vars(thing), name, other) if vars(thing) else None
            return Inert(Global("collections", "OrderedDict"), pairs=_pairs(thing, name, other), state=state)
        case Mapping():
            return Inert(DICT, pairs=_pairs(thing, name, other))
        case list():
            return [inert(item, joined(name, i), other) for i, item in enumerate(thing)]
        case tuple() if type(thing) is tuple:
            return tuple(inert(item, joined(name, i), other) for i, item in enumerate(thing))
        case set():
            return Inert(Global("__builtin__", "set"), ([inert(item, name, other) for item in thing],))
    return other(name, thing)


def _pairs(
    mapping: Mapping[Any, object], name: str, other: Callable[[str, object], object]
) -> list[tuple[object, object]]:
    return [(inert(key, name), inert(value, joined(name, key), other)) for key, value in mapping.items()]


def tree(leaves: Mapping[str, object]) -> Tree:
    """The leaves as nested dicts, their names split at each ``/``.

    Raises :class:`CannotWrite` where a name does not tell its place: a key that is a number could be an index
    of a list, and ``#2`` marks a name that was not unique.
    """
    root: Tree = {}
    for name, leaf in leaves.items():
        *folders, last = name.split("/")
        if any(re.fullmatch(r"-?[0-9]+", key) for key in (*folders, last)) or re.search(r"#[0-9]+$", last):
            raise CannotWrite(f"{name}: it cannot be told whether it stood in a list or in a dict")
        node = root
        for key in folders:
            child = node.setdefault(key, {})
            if not isinstance(child, dict):
                raise CannotWrite(f"{name}: {key} is not a dict")
            node = child
        if last in node:
            raise CannotWrite(f"{name}: it occurs twice")
        node[last] = leaf
    return root
