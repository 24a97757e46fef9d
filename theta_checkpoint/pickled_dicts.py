"""The entries of a pickled dict, what tells their keys apart, and what the entries are called."""

from __future__ import annotations

from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.value_text import Budget
from theta_checkpoint.value_text import is_scalar
from theta_checkpoint.value_text import key_text
from theta_checkpoint.value_text import value_text

DICTS = {
    DICT,
    Global("__builtin__", "dict"),
    Global("collections", "OrderedDict"),
    Global("collections", "defaultdict"),
    Global("collections", "Counter"),
}
"""the classes whose instances are read as dicts"""


def pairs_of(node: Inert) -> list[tuple[object, object]]:
    """The entries of a dict: Python 2 gives those of an OrderedDict as a list of pairs, Counter as a dict."""
    pairs = list(node.pairs or ())
    for arg in node.args[:1]:
        if isinstance(arg, list):
            pairs = [(pair[0], pair[1]) for pair in arg if isinstance(pair, list | tuple) and len(pair) == 2] + pairs
        elif isinstance(arg, Inert) and arg.function == DICT:
            pairs = (arg.pairs or []) + pairs
    return last_pairs(pairs)


def last_pairs(pairs: list[tuple[object, object]]) -> list[tuple[object, object]]:
    """The pairs without those whose key is set again; the first place is kept, as a dict does."""
    last: dict[object, tuple[object, object]] = {}
    for position, (key, value) in enumerate(pairs):
        last[identity(key) if is_scalar(key) else position] = (key, value)
    return list(last.values())


def key_name(key: object, budget: Budget | None = None) -> str:
    """A key as part of a name; raises :class:`DamagedCheckpoint` when the budget is spent."""
    if isinstance(key, str | bytes):
        if budget:
            budget.spend(len(key))
        return key_text(key)
    return value_text(key, budget)


def identity(key: object) -> tuple[str, str]:
    """What tells a scalar key from others; numbers by their text, as their hashes can be made to collide."""
    return type(key).__name__, key if isinstance(key, str) else repr(key)


def joined(name: str, key: object) -> str:
    """The name of an entry of what has a name."""
    return f"{name}/{key}" if name else str(key)
