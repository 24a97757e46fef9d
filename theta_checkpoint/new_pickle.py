"""A pickle of inert objects, written opcode by opcode: nothing is imported or called.

What :mod:`theta_checkpoint.inert_pickle` reads comes back as it was: classes, calls, and what is shared. Of plain
things and tensors, ``torch.load(weights_only=True)`` reads the result.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from collections.abc import Iterable

from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import FROZENSET
from theta_checkpoint.inert_pickle import SET
from theta_checkpoint.inert_pickle import ByteArray
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.new_structure import CannotWrite

_TUPLES = {0: pickle.EMPTY_TUPLE, 1: pickle.TUPLE1, 2: pickle.TUPLE2, 3: pickle.TUPLE3}


def pickled(root: object) -> bytes:
    """A pickle of protocol 2, as ``torch.save`` writes; raises :class:`CannotWrite`."""
    writer = _Writer()
    try:
        writer.write(root)
    except RecursionError:
        raise CannotWrite("its parts are nested too deeply") from None
    return pickle.PROTO + b"\x02" + b"".join(writer.pieces) + pickle.STOP


class _Writer:
    """The pieces so far, and which of them can be referred to."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._put = self.pieces.append
        self._memo: dict[object, tuple[int, object]] = {}
        """by identity, names and text by value: their number, and themselves, so that no other gets their identity"""

    def write(self, node: object) -> None:
        match node:
            case None | bool() | int() | float():
                self._put(pickle.dumps(node, 2)[2:-1])
            case str():
                self._once(node, lambda: self._put(_text(node)))
            case ByteArray():
                self._put(pickle.BYTEARRAY8 + len(node).to_bytes(8, "little") + node)
            case bytes():
                self._put(pickle.BINBYTES8 + len(node).to_bytes(8, "little") + node)
            case Global():
                self._once(node, lambda: self._put(_name(node)))
            case Persistent():
                self.write(node.id)
                self._put(pickle.BINPERSID)
            case list():
                self._once(node, lambda: self._put(pickle.EMPTY_LIST), lambda: self._marked(node, pickle.APPENDS))
            case tuple():
                self._once(node, lambda: self._tuple(node))
            case Inert():
                self._once(node, lambda: self._call(node), lambda: self._filled(node))
            case _:
                raise CannotWrite(f"a {type(node).__name__} is nothing that a pickle is read as")

    def _once(self, node: object, create: Callable[[], None], fill: Callable[[], None] = lambda: None) -> None:
        """Write the node where it first occurs, and a reference to it everywhere else, inside itself too."""
        key = node if isinstance(node, str | Global) else id(node)
        if key in self._memo:
            self._put(_numbered(self._memo[key][0], pickle.BINGET, pickle.LONG_BINGET))
            return
        create()
        number = len(self._memo)
        self._memo[key] = (number, node)
        self._put(_numbered(number, pickle.BINPUT, pickle.LONG_BINPUT))
        fill()

    def _tuple(self, node: tuple[object, ...]) -> None:
        if len(node) not in _TUPLES:
            self._marked(node, pickle.TUPLE)
            return
        for item in node:
            self.write(item)
        self._put(_TUPLES[len(node)])

    def _marked(self, items: Iterable[object], opcode: bytes) -> None:
        self._put(pickle.MARK)
        for item in items:
            self.write(item)
        self._put(opcode)

    def _call(self, node: Inert) -> None:
        if node.function == DICT and not node.args:
            self._put(pickle.EMPTY_DICT)
        elif node.function == SET and not node.args:
            self._put(pickle.EMPTY_SET)
        elif node.function == FROZENSET and not node.args:
            self._marked(node.items or (), pickle.FROZENSET)
        else:
            self.write(node.function)
            if node.opcode == pickle.NEWOBJ_EX:
                self._tuple(node.args[:-1])
                self.write(node.args[-1])
            else:
                self._tuple(node.args)
            self._put(node.opcode)

    def _filled(self, node: Inert) -> None:
        if node.items and not (node.function == FROZENSET and not node.args):
            self._marked(node.items, pickle.ADDITEMS if node.function == SET else pickle.APPENDS)
        if node.pairs:
            self._marked((side for pair in node.pairs for side in pair), pickle.SETITEMS)
        if node.state is not None:
            self.write(node.state)
            self._put(pickle.BUILD)


def _numbered(number: int, short: bytes, long: bytes) -> bytes:
    return short + bytes([number]) if number < 256 else long + number.to_bytes(4, "little")


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + len(data).to_bytes(4, "little") + data


def _name(node: Global) -> bytes:
    if node.module == "copyreg" and node.name.startswith("extension "):
        return pickle.EXT4 + int(node.name.removeprefix("extension ")).to_bytes(4, "little")
    if "\n" in node.module + node.name or "." in node.name:
        raise CannotWrite(f"{str(node)[:80]!r} has a name that protocol 2 cannot express")
    return pickle.GLOBAL + f"{node.module}\n{node.name}\n".encode()
