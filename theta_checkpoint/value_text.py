"""The text of a leaf that is not a tensor, as a line of the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from blake3 import blake3

from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import FROZENSET
from theta_checkpoint.inert_pickle import SET
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.layout import DamagedCheckpoint

MAX_TEXT = 200
"""characters up to which a value stands in the manifest itself"""
MAX_DEPTH = 100
MAX_WORK = 6_000_000
"""visits, four for each entry of a state dict with a million tensors and half as much again"""
_MAX_BITS = 400
"""larger integers take quadratic work to write in decimal (Python refuses to)"""


class Budget:
    """Work that one pickle may cause: sharing makes a small pickle an exponentially large tree."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, size: int = 0) -> None:
        """Pay for one visit that handles ``size`` bytes or characters; raises :class:`DamagedCheckpoint`."""
        self.left -= 1 + size // 64
        self.check(0)

    def check(self, visits: int) -> None:
        """Raise :class:`DamagedCheckpoint` where so many more visits cannot be paid: none has to be prepared."""
        if visits > self.left:
            raise DamagedCheckpoint("shares its parts so often that it cannot be listed")


def is_scalar(leaf: object) -> bool:
    """Whether the leaf is one JSON scalar."""
    if isinstance(leaf, int):
        return leaf.bit_length() <= _MAX_BITS
    return leaf is None or isinstance(leaf, str | float)


def value_text(leaf: object, budget: Budget | None = None) -> str:
    """JSON for scalars and short lists of them, ``TYPE JSON`` or ``TYPE blake3:HEX`` for everything else.

    One line of printable ASCII. NaN and infinities are spelled as Python's json spells them: ``NaN``,
    ``Infinity``, ``-Infinity``. ``TYPE[n]`` gives the number of characters, bytes or elements.
    Raises :class:`DamagedCheckpoint` when the budget is spent.
    """
    if isinstance(leaf, Global):
        return f"class {_printable(str(leaf)[:MAX_TEXT])}"
    if (short := _json(leaf)) is not None:
        return short
    if isinstance(leaf, Inert) and not (leaf.state or leaf.items or leaf.pairs) and (short := _json(leaf.args)):
        return f"{type_name(leaf)} {short}"
    return f"{type_name(leaf)}{_size(leaf)} blake3:{_digest(leaf, budget or Budget())}"


def key_text(key: str | bytes | int) -> str:
    """The key as text that has a UTF-8 form: what has none is written as a backslash escape."""
    text = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)
    return text.encode("utf-8", "backslashreplace").decode()


def type_name(leaf: object) -> str:
    """The name of the leaf's type, without spaces."""
    function = leaf.function if isinstance(leaf, Inert) else None
    if isinstance(function, Global):
        name = function.name if function.module in ("builtins", "__builtin__") else str(function)
        return _printable(name[:MAX_TEXT]).replace(" ", "_")
    return "object" if isinstance(leaf, Inert | Persistent) else _kind(leaf)


def _kind(part: object) -> str:
    return "bytes" if isinstance(part, bytes) else type(part).__name__


def _printable(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")


def _json(leaf: object) -> str | None:
    """The leaf as short JSON; None where it is long or no scalar, list of scalars, or list of such lists."""
    if isinstance(leaf, list | tuple) and len(leaf) > MAX_TEXT:
        return None
    scalars = list(islice(_scalars(leaf), MAX_TEXT + 1))
    if len(scalars) > MAX_TEXT or not all(
        is_scalar(part) and len(part if isinstance(part, str) else "") <= MAX_TEXT for part in scalars
    ):
        return None
    text = json.dumps(leaf).replace("\x7f", "\\u007f")
    return text if len(text) <= MAX_TEXT else None


def _scalars(leaf: object) -> Iterator[object]:
    for part in leaf if isinstance(leaf, list | tuple) else (leaf,):
        if isinstance(part, list | tuple) and part is not leaf:
            yield from part
        else:
            yield part


def _size(leaf: object) -> str:
    if isinstance(leaf, str | bytes | list | tuple):
        return f"[{len(leaf)}]"
    if isinstance(leaf, Inert) and leaf.function in (DICT, SET, FROZENSET):
        return f"[{len(leaf.pairs or leaf.items or ())}]"
    return ""


def _digest(leaf: object, budget: Budget) -> str:
    """BLAKE3 over the parts in pickled order, each with its type and length; text alone is its UTF-8."""
    if isinstance(leaf, str | bytes):
        budget.spend(len(leaf))
        return blake3(_bytes(leaf)).hexdigest()
    hasher = blake3()
    pending: list[tuple[object, int]] = [(leaf, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise DamagedCheckpoint(f"nested more than {MAX_DEPTH} deep")
        children = _children(part)
        content = _bytes(part) if children is None else b""
        budget.spend(len(content) + len(children or ()))
        budget.check(len(children or ()))
        hasher.update(f"{_kind(part)} {len(content)} {len(children or ())}\n".encode())
        hasher.update(content)
        pending.extend((child, depth + 1) for child in reversed(children or ()))
    return hasher.hexdigest()


def _children(part: object) -> list[object] | None:
    match part:
        case list() | tuple():
            return list(part)
        case Persistent(id):
            return [id]
        case Inert(function, args, state, items, pairs):
            return [function, args, state, items, [side for pair in pairs or () for side in pair]]
    return None


def _bytes(scalar: object) -> bytes:
    if isinstance(scalar, bytes):
        return scalar
    if isinstance(scalar, int) and not isinstance(scalar, bool):
        return scalar.to_bytes(scalar.bit_length() // 8 + 1, "little", signed=True)
    return str(scalar).encode("utf-8", "surrogatepass")
