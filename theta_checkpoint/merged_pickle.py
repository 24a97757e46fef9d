"""Pickled objects of several versions as one: containers entry by entry, all else as one version has it.

Which tensors there are, and where they lie, is given; where only one side changed another thing since base, that
side's version stands, and where several did, the one that was chosen for it, or else the preferred side's.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_tensors import NewTensors
from theta_checkpoint.pickled_dicts import DICTS
from theta_checkpoint.pickled_dicts import identity
from theta_checkpoint.pickled_dicts import joined
from theta_checkpoint.pickled_dicts import key_name
from theta_checkpoint.pickled_dicts import pairs_of
from theta_checkpoint.pickled_tensors import PickledTensor
from theta_checkpoint.pickled_tensors import entries
from theta_checkpoint.pickled_tensors import is_made_by_torch
from theta_checkpoint.pickled_tensors import storage_id
from theta_checkpoint.value_text import MAX_DEPTH
from theta_checkpoint.value_text import is_scalar

ABSENT = object()
"""stands for what a version does not have"""


def merged(
    base: object, sides: Sequence[object], tensors: NewTensors, preferred: int, chosen: Mapping[str, int]
) -> object:
    """The merged object, as inert as they are; its tensors are exactly the given ones.

    ``chosen`` says whose version of a value, by its name, stands where several sides changed it: the number of a
    side, or -1 for base. ``base`` may be :data:`ABSENT`. Raises :class:`CannotWrite` where an object cannot hold
    these tensors.
    """
    try:
        found = _Merge(tensors, preferred, chosen).merged("", base, sides, MAX_DEPTH)
    except RecursionError:
        raise CannotWrite("its parts are nested too deeply") from None
    for name in tensors.names:
        if name not in tensors.written:
            raise CannotWrite(f"{name}: no object has a place for it")
    _check_storages(found, tensors)
    return found


def _check_storages(root: object, tensors: NewTensors) -> None:
    """Raise :class:`CannotWrite` for a storage of one side's file that is left in the merged object."""
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen or id(node) in tensors.storages:
            continue
        seen.add(id(node))
        if isinstance(node, Persistent) and storage_id(node):
            raise CannotWrite("it holds values that are in no parameter group")
        pending.extend(_parts(node) or ())


_Entry = tuple[object, str, object]
"""a key, the name of what it leads to, and that"""


@dataclass(frozen=True)
class _Container:
    """A dict, list, tuple or object whose entries are merged one by one."""

    node: Inert | list[object] | tuple[object, ...]
    kind: object
    """entries of containers of different kinds do not go together"""
    entries: Mapping[tuple[str, str], _Entry]
    """by what tells their keys apart"""

    def holding(self, held: Sequence[tuple[object, object]]) -> object:
        """A container like this one with other entries, each a key and what is there."""
        if isinstance(self.node, list | tuple):
            items = [value for _, value in held]
            return items if isinstance(self.node, list) else tuple(items)
        pairs = [pair for pair in held if pair[0] is not _STATE]
        state = next((value for key, value in held if key is _STATE), None)
        args = () if _args_are_pairs(self.node) else self.node.args
        return replace(self.node, args=args, pairs=pairs or None, state=state)


_STATE = object()
"""the key of an object's state"""


class _Merge:
    def __init__(self, tensors: NewTensors, preferred: int, chosen: Mapping[str, int]) -> None:
        self._by_name = chosen
        self._tensors = tensors
        self._names = set(tensors.names)
        self._preferred = preferred

    def merged(self, name: str, base: object, sides: Sequence[object], depth: int) -> object:
        if depth < 0:
            raise CannotWrite(f"{name[:80]}: nested more than {MAX_DEPTH} deep")
        there = [side for side in sides if side is not ABSENT]
        containers = [_container(side, name) for side in there]
        first = containers[0] if containers else None
        if first and all(one and _same(one.kind, first.kind) for one in containers):
            return self._entries(name, base, sides, depth)
        return self._leaf(name, base, sides)

    def _entries(self, name: str, base: object, sides: Sequence[object], depth: int) -> object:
        versions = [None if side is ABSENT else _container(side, name) for side in (base, *sides)]
        ordered = [one for one in (versions[1 + self._preferred], *versions[1:]) if one]
        held: list[tuple[object, object]] = []
        keys = {key: entry for one in reversed(ordered) for key, entry in one.entries.items()}
        for key in dict.fromkeys(key for one in ordered for key in one.entries):
            label, inner, _ = keys[key]
            values = [one.entries[key][2] if one and key in one.entries else ABSENT for one in versions]
            value = self.merged(inner, values[0], values[1:], depth - 1)
            if value is not ABSENT:
                held.append((label, value))
        if not held and self._chosen(name, base, sides) is ABSENT:
            return ABSENT
        if isinstance(ordered[0].node, list | tuple) and len(held) < len(keys):
            if held:
                raise CannotWrite(f"{name}: it would lose some of its items, and others take their place")
            return ABSENT
        return ordered[0].holding(held)

    def _leaf(self, name: str, base: object, sides: Sequence[object]) -> object:
        listed = [[] if side is ABSENT else _tensors(side, name) for side in sides]
        names = {tensor.name for one in listed for tensor in one}
        if not names:
            return self._chosen(name, base, sides)
        if not names & self._names:
            return ABSENT
        fitting = [{tensor.name for tensor in one} == names & self._names for one in listed]
        if not any(fitting):
            raise CannotWrite(f"{name}: its parts are not merged together")
        chosen = self._chosen(name, base, [side if fits else base for side, fits in zip(sides, fitting, strict=True)])
        number = next((i for i, side in enumerate(sides) if side is chosen and fitting[i]), fitting.index(True))
        new = {id(tensor.node): self._tensors.tensor(tensor.name, tensor) for tensor in listed[number]}
        return _replaced(sides[number], new)

    def _chosen(self, name: str, base: object, sides: Sequence[object]) -> object:
        """The three-way rules for what has no entries; what was chosen for a part of it holds for all of it."""
        changed = [side for side in sides if not _same(side, base)]
        if not changed:
            return sides[0]
        if all(_same(side, changed[0]) for side in changed):
            return changed[0]
        parts = (side for part, side in self._by_name.items() if part == name or part.startswith(f"{name}/"))
        side = next(parts, self._preferred)
        return base if side < 0 else sides[side]


def _container(node: object, name: str) -> _Container | None:
    """None for what is merged as a whole: scalars, tensors, lists of scalars, what a class makes of arguments."""
    if isinstance(node, list | tuple):
        if all(map(is_scalar, node)):
            return None
        items: dict[tuple[str, str], _Entry] = {identity(i): (i, joined(name, i), item) for i, item in enumerate(node)}
        return _Container(node, (type(node).__name__, len(node)), items)
    if not isinstance(node, Inert) or node.items or is_made_by_torch(node):
        return None
    is_dict = node.function in DICTS
    if not is_dict and not _is_dict(node.state):
        return None
    pairs = pairs_of(node) if is_dict else list(node.pairs or ())
    found: dict[tuple[str, str], _Entry] = {}
    for key, value in pairs:
        text = key_name(key)
        found[identity(key) if is_scalar(key) else ("key", text)] = (key, joined(name, text), value)
    if len(found) < len(pairs):
        return None
    if node.state is not None:
        inner = name if _is_dict(node.state) else joined(name, "state")
        found["state", ""] = (_STATE, inner, node.state)
        if is_dict and _tensors(node.state, inner):
            raise CannotWrite(f"{name}: a dict has attributes that hold tensors")
    args = () if _args_are_pairs(node) else node.args
    return _Container(node, (node.function, node.opcode, args), found)


def _is_dict(node: object) -> bool:
    return isinstance(node, Inert) and node.function in DICTS


def _args_are_pairs(node: Inert) -> bool:
    """Whether the dict gets its entries as an argument, as those of Python 2 and Counters do."""
    return _is_dict(node) and bool(node.args) and (isinstance(node.args[0], list) or _is_dict(node.args[0]))


def _tensors(node: object, name: str) -> list[PickledTensor]:
    found = [entry for entry in entries(node, name) if isinstance(entry, PickledTensor)]
    return [replace(tensor, name=tensor.name or "content") for tensor in found]


def _same(left: object, right: object) -> bool:
    """Whether two objects are equal but for the storages that their tensors lie in."""
    return _equal(left, right, set())


def _equal(left: object, right: object, seen: set[tuple[int, int]]) -> bool:
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, str | int | Global):
        return left == right
    ours, theirs = _parts(left), _parts(right)
    if ours is None or theirs is None:
        return repr(left) == repr(right)  # which finds NaN equal to itself
    if isinstance(left, Persistent) and storage_id(left) and storage_id(right):
        return True
    if len(ours) != len(theirs):
        return False
    if ours:
        if (id(left), id(right)) in seen:
            return True
        seen.add((id(left), id(right)))
    return all(_equal(*pair, seen) for pair in zip(ours, theirs, strict=True))


def _parts(node: object) -> Sequence[object] | None:
    match node:
        case list() | tuple():
            return node
        case Persistent():
            return [node.id]
        case Inert():
            pairs = [side for pair in node.pairs or () for side in pair]
            counts = (len(node.args), len(pairs))
            return [node.function, node.opcode, *counts, *node.args, node.state, *(node.items or ()), *pairs]
    return None


def _replaced(root: object, new: dict[int, Inert | Persistent]) -> object:
    """A copy of the object with other tensors in it; raises :class:`CannotWrite` for one that holds itself."""
    done: dict[int, object] = dict(new)
    inside: set[int] = set()

    def copy(node: object) -> object:
        if id(node) in done:
            return done[id(node)]
        if id(node) in inside:
            raise CannotWrite("an object that holds tensors holds itself")
        inside.add(id(node))
        match node:
            case list():
                result: object = [copy(item) for item in node]
            case tuple():
                result = tuple(copy(item) for item in node)
            case Inert():
                args = tuple(copy(arg) for arg in node.args)
                items = [copy(item) for item in node.items] if node.items else None
                pairs = [(copy(key), copy(value)) for key, value in node.pairs] if node.pairs else None
                result = replace(node, args=args, state=copy(node.state), items=items, pairs=pairs)
            case _:
                result = node
        done[id(node)] = result
        return result

    return copy(root)
