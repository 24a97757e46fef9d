"""Reading: the versions of a group as tensors, whole or a slice at a time, on the device where they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import torch

from strategies.pieces import PIECE
from strategies.pieces import Flat
from theta_merge.outcome import BASE
from theta_merge.outcome import Computed
from theta_merge.outcome import sides_of
from theta_merge.tensors import tensor_of
from theta_merge.tensors import torch_dtype
from theta_store import values
from theta_store.checkpoint import Checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

Versions = list[torch.Tensor | None]
"""of one group: base, None where there is none, then the sides that count; all of one shape, in their own dtypes"""


def tensor(checkpoint: Checkpoint, name: str, group: Computed) -> torch.Tensor:
    """The values that a checkpoint has under a name, on the device where ``group`` is computed."""
    return _placed(values.array(checkpoint, name), group)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads groups of the versions that are merged; may be used from several threads at once."""

    checkpoints: Sequence[Checkpoint | None]
    """one per side, base last"""

    def side(self, side: int, group: Computed, name: str = "") -> torch.Tensor:
        """A side's version of the group, or of another one by name."""
        return tensor(self._checkpoint(side), name or group.conflict.name, group)

    def base(self, group: Computed) -> torch.Tensor | None:
        """Base's version, if there is one; without values where the strategy ignores them."""
        if group.conflict.base is None:
            return None
        if reads_base(group):
            return tensor(self._checkpoint(BASE), group.conflict.name, group)
        return self._unread_base(group, self._checkpoint(BASE).manifest.groups[group.conflict.name].shape)

    def whole(self, group: Computed) -> Versions:
        """Base and the sides that count."""
        return [self.base(group), *(self.side(side, group) for side in sides_of(group))]

    def flat(self, group: Computed) -> tuple[Flat | None, list[Flat]]:
        """Base, if its values are wanted, and the sides that count, of which slices may be read again and again."""
        base = self._flat(BASE, group) if reads_base(group) else None
        return base, [self._flat(side, group) for side in sides_of(group)]

    def slices_of(self, group: Computed, base: Flat | None, sides: Sequence[Flat]) -> Iterator[tuple[Versions, int]]:
        """The next slice of every flat version, and the flat index at which it starts."""
        for start in range(0, len(sides[0]), _slice(group)):
            part = slice(start, start + _slice(group))
            slices = [side[part] for side in sides]
            yield [self._unread_base(group, slices[0].shape) if base is None else base[part], *slices], start

    def slices(self, group: Computed) -> Iterator[tuple[Versions, int]]:
        """The same, of versions that are read once, from one end to the other."""
        name, start = group.conflict.name, 0
        read = [BASE, *sides_of(group)] if reads_base(group) else sides_of(group)
        for arrays in zip(*(values.slices(self._checkpoint(v), name, _slice(group)) for v in read), strict=True):
            tensors: Versions = [_placed(array, group) for array in arrays]
            if BASE not in read:
                tensors.insert(0, self._unread_base(group, arrays[0].shape))
            yield tensors, start
            start += len(arrays[0])

    def _checkpoint(self, version: int) -> Checkpoint:
        found = self.checkpoints[version]
        assert found is not None
        return found

    def _unread_base(self, group: Computed, shape: Sequence[int]) -> torch.Tensor | None:
        """Base as its manifest has it: a tensor with a dtype but no values, for strategies that ignore them."""
        if group.conflict.base is None:
            return None
        dtype = self._checkpoint(BASE).manifest.groups[group.conflict.name].dtype
        return torch.empty(shape, dtype=torch_dtype(dtype), device="meta")

    def _flat(self, version: int, group: Computed) -> Flat:
        """A version of a group, flat: read slice by slice as often as it is asked for where that is cheap."""
        found = values.flat(self._checkpoint(version), group.conflict.name)
        if isinstance(found, values.InPlace) and group.choice.options["device"] == "cpu":
            return _InPlace(found, torch_dtype(found.dtype))
        return _placed(found[:], group)


@dataclass(frozen=True, slots=True)
class _InPlace:
    """See :class:`strategies.pieces.Flat`."""

    values: values.InPlace
    dtype: torch.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> torch.Tensor:
        return tensor_of(self.values[part])


def reads_base(group: Computed) -> bool:
    """Whether the strategy is to see base's values."""
    return group.conflict.base is not None and not group.choice.strategy.ignores_base(group.choice.options)


def _placed(array: NDArray[Any], group: Computed) -> torch.Tensor:
    """The array where the group is to be computed."""
    return tensor_of(array).to(group.choice.options["device"])


def _slice(group: Computed) -> int:
    """How many elements to compute at a time."""
    return PIECE if group.choice.options["device"] == "cpu" else PIECE << 10
