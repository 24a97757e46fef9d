"""Runs of like names as one: ``encoder.layer.{0..11}.attention.self.query.weight``."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic
from typing import TypeVar

Item = TypeVar("Item")
Part = str | tuple[int, ...]
_Key = tuple[Hashable, tuple[Part, ...]]

_MAX_RUNS = 6
_NUMBER = re.compile(r"(?:(?<=^)|(?<=[./]))(0|[1-9][0-9]{0,8})(?=$|[./])")


@dataclass(frozen=True, slots=True)
class Fold(Generic[Item]):
    """Items whose names differ in numbers alone, and whose numbers form a full grid."""

    parts: tuple[Part, ...]
    """the name, cut at its numbers: text and sets of numbers in turn"""
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        """One name for all: ``layers.{0..3,7}.weight``."""
        return "".join(part if isinstance(part, str) else _numbers(part) for part in self.parts)


def folded(items: Iterable[Item], name: Callable[[Item], str], kind: Callable[[Item], Hashable]) -> list[Fold[Item]]:
    """Items of one kind with like names as one fold, in natural order (layer 2 before layer 10).

    Folds from the innermost number outwards: numbers are united where all else, kind included, is equal.
    """
    found: dict[_Key, list[Item]] = {}
    for item in items:
        found.setdefault((kind(item), _parts(name(item))), []).append(item)
    depth = max((len(parts) for _, parts in found), default=0)
    for position in reversed(range(1, depth, 2)):
        found = _united(found, position)
    folds = [Fold(parts, tuple(members)) for (_, parts), members in found.items()]
    return sorted(folds, key=lambda fold: fold.parts)


def natural_order(name: str) -> tuple[Part, ...]:
    """A sort key that puts ``layer.2`` before ``layer.10``."""
    return _parts(name)


def _united(found: dict[_Key, list[Item]], position: int) -> dict[_Key, list[Item]]:
    """The same items, those alike in all but the number at ``position`` under one key."""
    alike: dict[_Key, list[tuple[Part, ...]]] = {}
    for kind, parts in found:
        rest: tuple[Part, ...] = (*parts[:position], (), *parts[position + 1 :]) if len(parts) > position else parts
        alike.setdefault((kind, rest), []).append(parts)
    united: dict[_Key, list[Item]] = {}
    for (kind, rest), names in alike.items():
        numbers = tuple(sorted(number for parts in names for number in _numbers_at(parts, position)))
        whole: tuple[Part, ...] = (*rest[:position], numbers, *rest[position + 1 :]) if numbers else rest
        united[kind, whole] = [item for parts in names for item in found[kind, parts]]
    return united


def _numbers_at(parts: tuple[Part, ...], position: int) -> tuple[int, ...]:
    part = parts[position] if len(parts) > position else ()
    return part if isinstance(part, tuple) else ()


def _parts(name: str) -> tuple[Part, ...]:
    pieces = _NUMBER.split(name)
    return tuple((int(piece),) if index % 2 else piece for index, piece in enumerate(pieces))


def _numbers(numbers: tuple[int, ...]) -> str:
    """``7``, ``{0..11}`` or ``{0..3,7}``; where that would be long ``{10..133(62)}``, 62 in all."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    if len(runs) > _MAX_RUNS:
        return f"{{{numbers[0]}..{numbers[-1]}({len(numbers)})}}"
    text = ",".join("..".join(map(str, run)) for run in runs)
    return text if len(numbers) == 1 else f"{{{text}}}"
