"""The tensors and values of an object that PyTorch pickled, by name, from its inert form.

Entries of dicts, lists and objects are joined with ``/``; nothing is ever called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.layout import MAX_NUMBER
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Value
from theta_checkpoint.pickled_dicts import DICTS
from theta_checkpoint.pickled_dicts import joined
from theta_checkpoint.pickled_dicts import key_name
from theta_checkpoint.pickled_dicts import last_pairs
from theta_checkpoint.pickled_dicts import pairs_of
from theta_checkpoint.torch_types import dtype_of
from theta_checkpoint.torch_types import itemsize_of
from theta_checkpoint.value_text import MAX_DEPTH
from theta_checkpoint.value_text import Budget
from theta_checkpoint.value_text import is_scalar
from theta_checkpoint.value_text import key_text
from theta_checkpoint.value_text import value_text

MANY = 100
"""a dict of more scalars than this is one value"""

_TRANSPARENT = {
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_device_tensor_from_cpu_tensor",
    "restore_type_tag",
    "build_boollist",
    "build_doublelist",
    "build_intlist",
    "build_tensorlist",
}
_RECONSTRUCTORS = {Global("copyreg", "_reconstructor"), Global("copy_reg", "_reconstructor")}


@dataclass(frozen=True, slots=True)
class StorageId:
    """A storage as a pickle refers to it."""

    type: str
    """a class of torch such as ``FloatStorage``"""
    key: str
    numel: int
    """elements, of the storage's own type"""
    offset: int = 0
    """elements into the storage where this view of it starts"""


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor as a pickle describes it."""

    name: str
    storage: StorageId
    type: str
    """element or storage type as torch calls it, such as ``float32`` or ``FloatStorage``"""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    """bytes from the start of the storage; meaningless where ``dtype`` is None"""
    node: Inert | Persistent = field(compare=False, repr=False)
    """the call that makes it, or the storage that it is"""

    @property
    def dtype(self) -> str | None:
        """A key of DTYPES; None for an element type that it does not list."""
        return dtype_of(self.type)


Entry = PickledTensor | Value


def entries(root: object, prefix: str = "") -> list[Entry]:
    """Every tensor and value below ``root``, in pickled order; two may have the same name.

    Raises :class:`DamagedCheckpoint` for what PyTorch would not have written, and for an object too deeply
    nested or too much shared to be listed.
    """
    return _Walk().below(root, prefix, MAX_DEPTH)


def is_made_by_torch(node: Inert) -> bool:
    """Whether the call makes a tensor, of whatever kind, or wraps one."""
    name = node.function.name if isinstance(node.function, Global) else ""
    return name in _TRANSPARENT or name.startswith("_rebuild")


def storage_id(persistent: object) -> StorageId | None:
    """The storage that a persistent id names, or None; raises :class:`DamagedCheckpoint` for a damaged one."""
    match persistent:
        case Persistent(("storage" | b"storage", Global(name=kind), key, _, int(numel), *view)) if _is_size(numel):
            match view:
                case [] | [None]:
                    return StorageId(kind, storage_key(key), numel)
                case [(_, int(offset), int(length))] if _is_size(offset) and _is_size(length):
                    return StorageId(kind, storage_key(key), length, offset)
            raise DamagedCheckpoint("damaged view of a storage")
    return None


def storage_key(key: object) -> str:
    """A storage's key as text; raises :class:`DamagedCheckpoint` where it is none."""
    if isinstance(key, str | bytes | int) and len(text := key_text(key)) <= 200:
        return text
    raise DamagedCheckpoint("a storage without a proper key")


class _Walk:
    """One listing of an inert object; it remembers what it is inside of, and how much it has seen."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.inside: set[int] = set()

    def below(self, node: object, name: str, depth: int) -> list[Entry]:
        self.budget.spend(len(name))
        if depth < 0:
            raise DamagedCheckpoint(f"nested more than {MAX_DEPTH} deep")
        if id(node) in self.inside:
            return []
        self.inside.add(id(node))
        try:
            return self._entries(node, name, depth - 1)
        finally:
            self.inside.discard(id(node))

    def _entries(self, node: object, name: str, depth: int) -> list[Entry]:
        if isinstance(node, list | tuple):
            return self._sequence(node, name, depth)
        if isinstance(node, Persistent):
            return self._persistent(node, name, depth)
        if not isinstance(node, Inert):
            return [self._value(node, name)]
        if node.function in DICTS:
            return self._dict(node, name, depth)
        function = node.function.name if isinstance(node.function, Global) else ""
        if function in _TRANSPARENT and node.args:
            state = node.args[3] if function == "_rebuild_parameter_with_state" and len(node.args) > 3 else None
            return self.below(node.args[0], name, depth) + self._state(state, name, depth)
        if function in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"):
            return self._tensor(node, function, name, depth)
        if function == "_rebuild_sparse_tensor" and len(node.args) == 2:
            return self._sparse(node.args[1], name, depth)
        if function in ("_rebuild_from_type", "_rebuild_from_type_v2") and len(node.args) == 4:
            wrapped, _, args, state = node.args
            if isinstance(args, tuple):
                return self.below(Inert(wrapped, args), name, depth) + self._state(state, name, depth)
        return self._object(node, name, depth)

    def _value(self, node: object, name: str) -> Value:
        return Value(name, value_text(node, self.budget))

    def _sequence(self, node: list[object] | tuple[object, ...], name: str, depth: int) -> list[Entry]:
        if all(map(is_scalar, node)):
            self.budget.spend(len(node))
            return [self._value(node, name)]
        return [entry for i, item in enumerate(node) for entry in self.below(item, joined(name, i), depth)]

    def _persistent(self, node: Persistent, name: str, depth: int) -> list[Entry]:
        if storage := storage_id(node):
            return [PickledTensor(name, storage, storage.type, (storage.numel,), (1,), _start(storage), node)]
        return [self._value(node, name)]

    def _dict(self, node: Inert, name: str, depth: int) -> list[Entry]:
        pairs = pairs_of(node)
        if not pairs or (len(pairs) > MANY and all(is_scalar(value) for _, value in pairs)):
            return [self._value(Inert(DICT, pairs=pairs), name)] if pairs else [Value(name, "{}")]
        return self._named(pairs, name, depth)

    def _named(self, pairs: Iterable[tuple[object, object]], name: str, depth: int) -> list[Entry]:
        named = ((joined(name, key_name(key, self.budget)), value) for key, value in pairs)
        return [entry for inner, value in named for entry in self.below(value, inner, depth)]

    def _tensor(self, node: Inert, function: str, name: str, depth: int) -> list[Entry]:
        match node.args:
            case (Persistent() as persistent, int(offset), shape, strides, *rest):
                storage = storage_id(persistent)
                if storage is None:
                    raise DamagedCheckpoint(f"tensor {name[:200]!r} has no storage")
                kind = storage.type
                if function == "_rebuild_tensor_v3":
                    kind = rest[2].name if len(rest) > 2 and isinstance(rest[2], Global) else "unknown"
                tensor = _checked_tensor(name, storage, kind, _numbers(shape), _numbers(strides), offset, node)
            case _:
                return self._object(node, name, depth)
        if function == "_rebuild_qtensor":
            return [tensor, *self.below(rest[0] if rest else None, joined(name, "quantizer"), depth)]
        return [tensor]

    def _sparse(self, parts: object, name: str, depth: int) -> list[Entry]:
        coo, compressed = ("indices", "values", "size"), ("compressed_indices", "plain_indices", "values", "size")
        if not isinstance(parts, tuple):
            raise DamagedCheckpoint(f"damaged sparse tensor {name[:200]!r}")
        # COO has a flag in the place where the compressed layouts have their size
        labels = compressed if len(parts) == 4 and not isinstance(parts[3], bool | None) else (*coo, "is_coalesced")
        return self._named(zip(labels, parts, strict=False), name, depth)

    def _object(self, node: Inert, name: str, depth: int) -> list[Entry]:
        args = () if node.function in _RECONSTRUCTORS else node.args
        found = self._several(args, name, depth)
        found += self._several(tuple(node.items or ()), name, depth)
        found += self._named(last_pairs(node.pairs or []), name, depth)
        found += self._state(node.state, name, depth)
        if node.state is None and not any(isinstance(entry, PickledTensor) for entry in found):
            return [self._value(node, name)]
        return found

    def _several(self, nodes: tuple[object, ...], name: str, depth: int) -> list[Entry]:
        """The tensors below the arguments of a call, by position; plain arguments are skeleton."""
        found = [entry for i, node in enumerate(nodes) for entry in self.below(node, joined(name, i), depth)]
        return found if any(isinstance(entry, PickledTensor) for entry in found) else []

    def _state(self, state: object, name: str, depth: int) -> list[Entry]:
        """The attributes of an object, without empty containers and private ones of None: a module has dozens."""
        if isinstance(state, tuple) and len(state) == 2:
            return [entry for part in state for entry in self._state(part, name, depth)]
        if isinstance(state, Inert) and state.function in DICTS:
            return self._named([pair for pair in pairs_of(state) if not _is_noise(*pair)], name, depth)
        return [] if state is None else self.below(state, joined(name, "state"), depth)


def _checked_tensor(
    name: str,
    storage: StorageId,
    kind: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    node: Inert,
) -> PickledTensor:
    if len(shape) != len(strides) or not _is_size(offset):
        raise DamagedCheckpoint(f"tensor {name[:200]!r} has an impossible place")
    return PickledTensor(name, storage, kind, shape, strides, _start(storage) + offset * itemsize_of(kind), node)


def _start(storage: StorageId) -> int:
    return storage.offset * itemsize_of(storage.type)


def _is_size(number: object) -> bool:
    return type(number) is int and 0 <= number < MAX_NUMBER


def _numbers(node: object) -> tuple[int, ...]:
    """A shape or strides: at most 64 axes, as many as PyTorch knows, of numbers that a manifest has room for."""
    if isinstance(node, Inert) and len(node.args) == 1:  # torch.Size
        node = node.args[0]
    if isinstance(node, tuple | list) and len(node) <= 64 and all(map(_is_size, node)):
        return tuple(node)
    raise DamagedCheckpoint("a tensor has an impossible shape or strides")


def _is_noise(key: object, node: object) -> bool:
    if isinstance(node, Inert):
        return not (node.pairs or node.items or node.args or node.state)
    if node is None:
        return isinstance(key, str) and key.startswith("_")
    return isinstance(node, list | tuple) and not node
