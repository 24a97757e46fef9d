"""Side data: what a strategy needs to know of each side beside its values, such as its Fisher information.

It is a checkpoint of its own with the same group names: ``NAME.fisher.safetensors`` beside ``NAME.pt`` in that
side's commit (or folder), or the files given as ``-X fisher=OURS_FILE,THEIRS_FILE``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from pathlib import PurePosixPath
from typing import Protocol

from strategies.contract import MergeError
from theta_merge.choices import Choice
from theta_merge.decide import side_name
from theta_merge.outcome import Computed
from theta_merge.outcome import sides_of
from theta_store.checkpoint import Checkpoint
from theta_store.checkpoint import OpenCheckpoint
from theta_store.checkpoint import opened


class Beside(Protocol):
    """The files that lie beside a checkpoint, for each side."""

    def checkpoint(self, kind: str, side: int) -> Checkpoint | None:
        """The side data of a kind; None if there is none."""
        ...

    def file(self, name: str, side: int) -> bytes | None:
        """Another file of the same folder; None if there is none."""
        ...


class Nothing:
    """Where nothing lies beside."""

    def checkpoint(self, kind: str, side: int) -> Checkpoint | None:
        """See :meth:`Beside.checkpoint`."""
        return None

    def file(self, name: str, side: int) -> bytes | None:
        """See :meth:`Beside.file`."""
        return None


SideData = Mapping[str, Sequence[Checkpoint]]
"""by kind: one checkpoint per side"""


_MAKERS = {"fisher": "diagonal_fisher", "gram": "input_grams"}
"""functions of :mod:`strategies.side_data`"""


class NoSideData(MergeError):
    """A strategy needs to know more of a side than its values."""

    def __init__(self, kind: str, side: int, strategy: str) -> None:
        super().__init__(
            f"strategy {strategy!r} needs the {kind} information of {side_name(side)}: save it beside the "
            f"checkpoint as NAME.{kind}.safetensors (strategies.side_data.{_MAKERS[kind]} makes it) and commit "
            f"both, or give the files: -X {kind}=OURS_FILE,THEIRS_FILE"
        )


def beside(path: str, kind: str) -> str:
    """Where side data of a checkpoint lies: ``models/m.pt`` -> ``models/m.fisher.safetensors``."""
    return str(PurePosixPath(path).with_suffix(f".{kind}.safetensors"))


@contextlib.contextmanager
def side_data(choices: Iterable[Choice], sides: int, locate: Beside) -> Iterator[SideData]:
    """The side data that these choices need; raises :class:`NoSideData` before any value is read."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Sequence[Checkpoint]] = {}
        for choice in choices:
            kind = choice.strategy.side_data
            if kind and kind not in found:
                found[kind] = _given(choice, sides, stack) or _located(choice.strategy.name, kind, sides, locate)
        yield found


def check_unchanged(data: SideData) -> None:
    """Raise :class:`theta_store.reading.FileChanged` if a file of side data was written to while it was read."""
    for checkpoint in chain.from_iterable(data.values()):
        if isinstance(checkpoint, OpenCheckpoint):
            checkpoint.check_unchanged()


def unfit(groups: Iterable[Computed], data: SideData) -> dict[str, str]:
    """The groups for which the side data does not serve, each with why."""
    return {group.state.name: why for group in groups if (why := _lacking(group, data))}


def _lacking(group: Computed, data: SideData) -> str | None:
    kind = group.choice.strategy.side_data
    if not kind:
        return None
    found = {side: data[kind][side].manifest.groups.get(group.state.name) for side in sides_of(group)}
    if kind == "gram" and not any(found.values()):
        return None  # no linear layer: regmean takes the mean
    for side, tensor in found.items():
        if tensor is None:
            return f"there is no {kind} information for it in {side_name(side)}"
        if kind == "fisher" and tensor.shape != group.state.shape:
            return f"the {kind} information of {side_name(side)} has another shape: {list(tensor.shape)}"
    return None


def _given(choice: Choice, sides: int, stack: contextlib.ExitStack) -> Sequence[Checkpoint]:
    if not choice.side_files:
        return ()
    if len(choice.side_files) != sides:
        raise MergeError(f"{choice.strategy.side_data}= takes one file per side ({sides}), ours first")
    return [_opened(file, choice, stack) for file in choice.side_files]


def _opened(file: str, choice: Choice, stack: contextlib.ExitStack) -> Checkpoint:
    try:
        return stack.enter_context(opened(Path(file)))
    except OSError as error:
        raise MergeError(f"{choice.strategy.side_data}={file}: {error.strerror}") from error


def _located(strategy: str, kind: str, sides: int, locate: Beside) -> Sequence[Checkpoint]:
    found = []
    for side in range(sides):
        checkpoint = locate.checkpoint(kind, side)
        if checkpoint is None:
            raise NoSideData(kind, side, strategy)
        found.append(checkpoint)
    return found
