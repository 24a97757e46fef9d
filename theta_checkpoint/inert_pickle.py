"""Pickles as data: read without importing or calling anything.

Classes and functions become :class:`Global` names, and what calling them would have made becomes an
:class:`Inert` record of the call. Dicts are inert too, as lists of pairs: nothing from the file is ever
hashed, since a hash of nested shared tuples takes exponential time.

Built on the pickle module's Python implementation: the C one sizes its memo by the largest index it is told.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any
from typing import ClassVar
from typing import Protocol

from theta_checkpoint.layout import DamagedCheckpoint

MAX_OPCODES = 50_000_000
"""a state dict of a million tensors has 30 million"""
MAX_CREATED = 16_000_000
"""memo entries, marks and containers, which cost a hundred bytes of memory for one byte of pickle"""


class Readable(Protocol):
    """What a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes."""
        ...

    def readline(self) -> bytes:
        """The bytes up to the next line feed, and it."""
        ...


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function; it was not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Persistent:
    """A reference to something outside the pickle."""

    id: object


class ByteArray(bytes):
    """The content of a bytearray."""


@dataclass(slots=True, eq=False)
class Inert:
    """A call that was not made, and what would have been done to its result."""

    function: object
    """a :class:`Global` in any pickle that Python wrote"""
    args: tuple[object, ...] = ()
    state: object = None
    """what ``__setstate__`` would have got"""
    items: list[object] | None = None
    """appended or added elements"""
    pairs: list[tuple[object, object]] | None = None
    """(key, value) in the order they were set; a key may occur twice, the last one counts"""
    opcode: bytes = pickle.REDUCE
    """``REDUCE`` calls the function; ``NEWOBJ`` and ``NEWOBJ_EX`` its ``__new__`` alone"""


DICT = Global("builtins", "dict")
SET = Global("builtins", "set")
FROZENSET = Global("builtins", "frozenset")


def load(file: Readable) -> object:
    """The next object pickled in ``file``, leaving the file behind it.

    Made of None, bool, int, float, str, bytes, list, tuple and this module's classes. It may hold itself.
    Raises :class:`DamagedCheckpoint`.
    """
    try:
        return _InertUnpickler(file).load()
    except DamagedCheckpoint:
        raise
    except Exception as error:  # what the base class raises for hostile bytes is nowhere limited
        raise DamagedCheckpoint(f"damaged pickle: {type(error).__name__}: {str(error)[:200]}") from error


class _InertUnpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    metastack: list[list[Any]]
    memo: dict[int, Any]

    def __init__(self, file: Readable) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self.read, self.readline = file.read, file.readline
        self.metastack = []
        self.stack = []
        self.append = self.stack.append
        self.created = 0

    def load(self) -> object:
        """Like the base class, but counts opcodes and ignores frames: they would only hide damage."""
        dispatch, read = self.dispatch, self.read
        try:
            for _ in range(MAX_OPCODES):
                dispatch[read(1)[0]](self)
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            return stop.value
        raise DamagedCheckpoint(f"pickle of more than {MAX_OPCODES} opcodes")

    def find_class(self, module: str, name: str) -> Global:
        if len(module) + len(name) > 1000:
            raise DamagedCheckpoint("a class with an absurd name")
        return Global(module, name)

    def persistent_load(self, pid: object) -> Persistent:
        return Persistent(pid)

    def get_extension(self, code: int) -> None:
        self.stack.append(Global("copyreg", f"extension {code}"))

    def _instantiate(self, function: object, args: list[object]) -> None:
        self._create(Inert(function, tuple(args)))

    def _create(self, value: object) -> None:
        self._spend()
        self.stack.append(value)

    def _spend(self) -> None:
        self.created += 1
        if self.created > MAX_CREATED:
            raise DamagedCheckpoint(f"pickle of more than {MAX_CREATED} containers")

    def _mark(self) -> None:
        self._spend()
        self.metastack.append(self.stack)
        self.stack = []
        self.append = self.stack.append

    def _memoize(self, index: int) -> None:
        self._spend()
        if not 0 <= index < 2**32:  # larger ones could be chosen to collide in the memo
            raise DamagedCheckpoint(f"memo index {index}")
        self.memo[index] = self.stack[-1]

    def _call(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = Inert(self.stack[-1], _tuple(args))
        self._spend()

    def _new(self) -> None:
        self._call()
        self.stack[-1].opcode = pickle.NEWOBJ

    def _new_with_keywords(self) -> None:
        keywords = self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = Inert(self.stack[-1], (*_tuple(args), keywords), opcode=pickle.NEWOBJ_EX)
        self._spend()

    def _build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Inert):
            self.stack[-1].state = state

    def _append(self, values: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
            return
        if target.items is None:
            target.items = []
        target.items.extend(values)

    def _set(self, values: list[object]) -> None:
        target = self.stack[-1]
        if target.pairs is None:
            target.pairs = []
        target.pairs.extend(zip(values[::2], values[1::2], strict=True))

    def _dict(self) -> None:
        values = self.pop_mark()  # type: ignore[attr-defined]
        self._create(Inert(DICT))
        self._set(values)

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self._create(ByteArray(self.read(size)))


def _tuple(args: object) -> tuple[object, ...]:
    if not isinstance(args, tuple):
        raise DamagedCheckpoint("its arguments are not a tuple")
    return args


def _two(unpickler: _InertUnpickler) -> list[object]:
    value = unpickler.stack.pop()
    return [unpickler.stack.pop(), value]


_InertUnpickler.dispatch.update(
    {
        pickle.MARK[0]: _InertUnpickler._mark,
        pickle.EMPTY_LIST[0]: lambda self: self._create([]),
        pickle.EMPTY_DICT[0]: lambda self: self._create(Inert(DICT)),
        pickle.EMPTY_SET[0]: lambda self: self._create(Inert(SET)),
        pickle.FROZENSET[0]: lambda self: self._create(Inert(FROZENSET, items=self.pop_mark())),
        pickle.DICT[0]: _InertUnpickler._dict,
        pickle.APPEND[0]: lambda self: self._append([self.stack.pop()]),
        pickle.APPENDS[0]: lambda self: self._append(self.pop_mark()),
        pickle.ADDITEMS[0]: lambda self: self._append(self.pop_mark()),
        pickle.SETITEM[0]: lambda self: self._set(_two(self)),
        pickle.SETITEMS[0]: lambda self: self._set(self.pop_mark()),
        pickle.REDUCE[0]: _InertUnpickler._call,
        pickle.NEWOBJ[0]: _InertUnpickler._new,
        pickle.NEWOBJ_EX[0]: _InertUnpickler._new_with_keywords,
        pickle.BUILD[0]: _InertUnpickler._build,
        pickle.FRAME[0]: lambda self: self.read(8),
        pickle.BYTEARRAY8[0]: _InertUnpickler._bytearray,
        pickle.MEMOIZE[0]: lambda self: self._memoize(len(self.memo)),
        pickle.PUT[0]: lambda self: self._memoize(int(self.readline()[:12])),
        pickle.BINPUT[0]: lambda self: self._memoize(self.read(1)[0]),
        pickle.LONG_BINPUT[0]: lambda self: self._memoize(int.from_bytes(self.read(4), "little")),
    }
)
