"""Compute: the bytes of a group that a strategy makes out of its versions, a slice at a time where it may.

The only module here that imports torch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import numpy
import torch

from strategies.apply import merged
from strategies.apply import seen
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import MergeError
from strategies.given_options import options_of_sides
from strategies.methods.lora import merged_factors
from strategies.pieces import PIECE
from strategies.pieces import Flat
from strategies.survey import surveyed
from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import element_count
from theta_merge.adapters import CONFIG
from theta_merge.adapters import is_factor
from theta_merge.adapters import merged_rank
from theta_merge.adapters import pair
from theta_merge.adapters import scale
from theta_merge.cautions import Cautions
from theta_merge.choices import resized_side
from theta_merge.outcome import BASE
from theta_merge.outcome import Computed
from theta_merge.outcome import sides_of
from theta_merge.side_data import Beside
from theta_merge.side_data import Nothing
from theta_merge.side_data import SideData
from theta_merge.storage_order import storage_axes
from theta_store import values
from theta_store.checkpoint import Checkpoint
from theta_store.chunks import chunk_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

# glibc hands every block larger than a threshold back to the system, and asks for fresh zeros for the next one: for
# slices that costs more than all arithmetic. The largest block freed so far becomes the threshold, up to 32 MiB.
numpy.empty(31 << 20, numpy.uint8)
# Groups are computed side by side, a core each: threads within one would only wait for one another, and its sums
# would depend on their number.
torch.set_num_threads(1)
# Values arrive as read-only arrays, and no strategy writes to its inputs. torch warns of that once in a process: here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.from_numpy(numpy.frombuffer(b"once", numpy.uint8))


Slices = tuple[list[torch.Tensor | None], Context]
"""flat slices of base and of the sides that count, and their place in the group"""


@dataclass(frozen=True)
class Computer:
    """Reads versions and computes groups; may be used from several threads at once."""

    checkpoints: Sequence[Checkpoint | None]
    """one per side, base last"""
    data: SideData = field(default_factory=dict)
    beside: Beside = field(default_factory=Nothing)
    statistics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """what the survey of the whole model found, by choice (see :meth:`surveyed`)"""

    cautions: Cautions = field(default_factory=Cautions)
    """what the user should know of what was computed"""

    def chunks(self, group: Computed) -> Iterator[bytes]:
        """The result's bytes in its storage order, cut into the chunks in which they are stored; raises as below."""
        return map(bytes, values.recut(self.pieces(group), chunk_length(group.state.dtype, group.state.shape)))

    def pieces(self, group: Computed) -> Iterator[bytes | memoryview]:
        """The result's bytes in its storage order, as they are made.

        Raises :class:`strategies.contract.CannotMerge`, or whatever reading the values raises.
        """
        if _in_slices(group):
            slices = self._looked_at(group) if group.choice.strategy.look(group.choice.options) else self._slices(group)
            yield from (_raw(self._merged(group, versions, place)) for versions, place in slices)
            return
        target = group.state
        whole = self._merged_in_one(group)
        yield _raw(whole.reshape(target.shape).permute(storage_axes(target.shape, target.strides)))

    def surveyed(self, groups: Sequence[Computed]) -> Computer:
        """The computer that has seen all groups, for strategies that weigh or trim across the model."""
        for group in groups:
            if group.choice.options["device"] == "cuda" and not torch.cuda.is_available():
                raise MergeError("option 'device=cuda': torch finds no such device here; without it the CPU computes")
        statistics: dict[str, Mapping[str, Any]] = {}
        for key, choice in {str(group.choice): group.choice for group in groups}.items():
            mine = [group for group in groups if str(group.choice) == key]
            statistics[key] = surveyed(choice.strategy, choice.options, partial(self._everyone, mine))
        return replace(self, statistics=statistics)

    def _everyone(
        self, groups: Sequence[Computed]
    ) -> Iterator[tuple[Context, torch.Tensor | None, list[torch.Tensor]]]:
        """Each group with base and all sides, for a survey."""
        for group in groups:
            name = group.conflict.name
            everyone = tuple(range(len(group.conflict.sides)))
            context = Context(name, sides=everyone, side_data=self._side_data(group, everyone))
            yield context, self._base(group), [self._array(side, group) for side in everyone]

    def _side_data(self, group: Computed, sides: Sequence[int]) -> tuple[torch.Tensor | None, ...]:
        kind = group.choice.strategy.side_data
        if not kind:
            return ()
        name, files = group.conflict.name, [self.data[kind][side] for side in sides]
        return tuple(
            _placed(values.array(file, name), group) if name in file.manifest.groups else None for file in files
        )

    def _array(self, version: int, group: Computed, name: str = "") -> torch.Tensor:
        return _placed(values.array(self._checkpoint(version), name or group.conflict.name), group)

    def _merged_in_one(self, group: Computed) -> torch.Tensor:
        if is_factor(group.conflict.name, group.choice):
            return self._merged_factor(group)
        return self._merged_rows(group) if resized_side(group.conflict) else self._merged_whole(group)

    def _merged_factor(self, group: Computed) -> torch.Tensor:
        """One factor of a pair that is merged as a product, scaled for the configuration of ours."""
        first, second = pair(group.conflict.name)
        sides = tuple(range(len(group.conflict.sides)))
        factors = [(self._array(side, group, first), self._array(side, group, second)) for side in sides]
        scales = [scale(self.beside.file(CONFIG, side), side, first, len(factors[side][0])) for side in sides]
        options = options_of_sides(group.choice.strategy, group.choice.options, sides, len(sides))
        divisor = sum(options["weights"]) if options["normalize"] else 1.0
        shares = [weight / divisor * own for weight, own in zip(options["weights"], scales, strict=True)]
        rank = merged_rank(group.conflict, group.choice)
        ours = scale(self.beside.file(CONFIG, 0), 0, first, rank)
        fixed = None if options["factors"] == "stack" else rank
        if not all(bool(torch.isfinite(factor.float()).all()) for both in factors for factor in both):
            raise CannotMerge(group.conflict.name, "holds NaN or infinity")
        a, b = merged_factors(factors, shares, ours, fixed)
        return (a if group.conflict.name == first else b).to(torch_dtype(group.state.dtype))

    def _merged_whole(self, group: Computed) -> torch.Tensor:
        return self._merged(group, self._whole(group), Context(group.conflict.name))

    def _merged_rows(self, group: Computed) -> torch.Tensor:
        """The rows that all versions have, merged, and behind them those that only one has."""
        versions = self._whole(group)
        common = min(len(version) for version in versions if version is not None)
        cut = [None if version is None else version[:common] for version in versions]
        merged_rows = self._merged(group, cut, Context(group.conflict.name))
        rows = group.state.shape[0]
        more = [version[common:] for version in versions if version is not None and len(version) == rows > common]
        return torch.cat([merged_rows, *(rest.to(merged_rows.dtype) for rest in more)])

    def _checkpoint(self, version: int) -> Checkpoint:
        found = self.checkpoints[version]
        assert found is not None
        return found

    def _whole(self, group: Computed) -> list[torch.Tensor | None]:
        """Base and the sides that count."""
        return [self._base(group), *(self._array(side, group) for side in sides_of(group))]

    def _base(self, group: Computed) -> torch.Tensor | None:
        name = group.conflict.name
        if group.conflict.base is None:
            return None
        if _reads_base(group):
            return self._array(BASE, group)
        return self._unread_base(group, self._checkpoint(BASE).manifest.groups[name].shape)

    def _unread_base(self, group: Computed, shape: Sequence[int]) -> torch.Tensor | None:
        """Base as its manifest has it: a tensor with a dtype but no values, for strategies that ignore them."""
        if group.conflict.base is None:
            return None
        dtype = self._checkpoint(BASE).manifest.groups[group.conflict.name].dtype
        return torch.empty(shape, dtype=torch_dtype(dtype), device="meta")

    def _looked_at(self, group: Computed) -> Iterator[Slices]:
        """Every version's next slice, for strategies that have to look at all of them first."""
        kept = sides_of(group)
        base = self._flat(BASE, group) if _reads_base(group) else None
        sides = [self._flat(side, group) for side in kept]
        options = options_of_sides(group.choice.strategy, group.choice.options, kept, len(group.conflict.sides))
        context = Context(group.conflict.name, sides=kept)
        place = replace(context, seen=seen(group.choice.strategy, base, sides, options, context), total=len(sides[0]))
        for start in range(0, len(sides[0]), _slice(group)):
            part = slice(start, start + _slice(group))
            slices = [side[part] for side in sides]
            first = self._unread_base(group, slices[0].shape) if base is None else base[part]
            yield [first, *slices], replace(place, offset=start)

    def _flat(self, version: int, group: Computed) -> Flat:
        """A version of a group, flat: read slice by slice as often as it is asked for where that is cheap."""
        found = values.flat(self._checkpoint(version), group.conflict.name)
        if isinstance(found, values.InPlace) and group.choice.options["device"] == "cpu":
            return _InPlace(found, torch_dtype(found.dtype))
        return _placed(found[:], group)

    def _slices(self, group: Computed) -> Iterator[Slices]:
        """Every version's next slice, and its place in the group."""
        name = group.conflict.name
        read = [BASE, *sides_of(group)] if _reads_base(group) else sides_of(group)
        total = element_count(group.state.shape)
        offset = 0
        for arrays in zip(*(values.slices(self._checkpoint(v), name, _slice(group)) for v in read), strict=True):
            tensors: list[torch.Tensor | None] = [_placed(array, group) for array in arrays]
            if BASE not in read:
                tensors.insert(0, self._unread_base(group, arrays[0].shape))
            yield tensors, Context(name, offset=offset, total=total)
            offset += len(arrays[0])

    def _merged(self, group: Computed, versions: Sequence[torch.Tensor | None], place: Context) -> torch.Tensor:
        base, *sides = versions
        kept = sides_of(group)
        output = torch_dtype(group.state.dtype)
        if base is not None:
            # The strategy rounds to base's dtype: where the result is to be wider, base goes there first.
            base = base.to(_roomy(base.dtype, output))
        context = Context(
            place.group,
            offset=place.offset,
            total=place.total,
            seen=place.seen,
            remark=partial(self.cautions.remark, group.choice.strategy.name),
            sides=kept,
            statistics=self.statistics.get(str(group.choice), {}),
            side_data=self._side_data(group, kept),
        )
        options = options_of_sides(group.choice.strategy, group.choice.options, kept, len(group.conflict.sides))
        present = [side for side in sides if side is not None]
        if group.choice.strategy.needs_base and base is not None:
            squares = (_square_sum(side, base) for side in present)
            self.cautions.changed(group.choice.strategy.name, dict(zip(kept, squares, strict=True)))
        result = merged(group.choice.strategy, base, present, options, context)
        if result.dtype == output:
            return result
        narrow = result.to(output)
        if not options["allow_nonfinite"] and not bool(torch.isfinite(narrow.float()).all()):
            raise CannotMerge(place.group, f"the result is too large for {group.state.dtype}")
        return narrow


@dataclass(frozen=True, slots=True)
class _InPlace:
    """See :class:`strategies.pieces.Flat`."""

    values: values.InPlace
    dtype: torch.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> torch.Tensor:
        return tensor_of(self.values[part])


def _reads_base(group: Computed) -> bool:
    """Whether the strategy is to see base's values."""
    return group.conflict.base is not None and not group.choice.strategy.ignores_base(group.choice.options)


def _in_slices(group: Computed) -> bool:
    """Whether the group may be computed a slice at a time; slices run in C order."""
    strategy = group.choice.strategy
    pieced = resized_side(group.conflict) or is_factor(group.conflict.name, group.choice)
    whole = strategy.side_data or group.state.strides or pieced
    return strategy.elementwise(group.choice.options) and not whole


def torch_dtype(dtype: str) -> torch.dtype:
    """The torch type for a dtype of :data:`theta_checkpoint.dtypes.DTYPES`."""
    found: torch.dtype = getattr(torch, DTYPES[dtype].numpy)
    return found


def tensor_of(array: NDArray[Any]) -> torch.Tensor:
    """The array as a tensor that shares its memory; bfloat16 and float8 by their bits."""
    if array.dtype.kind not in "Vf" or array.dtype.itemsize > 2 or array.dtype == numpy.float16:
        return torch.from_numpy(array)
    bits = torch.from_numpy(array.view(numpy.int16 if array.dtype.itemsize == 2 else numpy.uint8))
    return bits.view(getattr(torch, array.dtype.name))


def _square_sum(side: torch.Tensor, base: torch.Tensor) -> float:
    """About the sum of squares of a change, from every seventh element of a large one; 0 where it is not finite."""
    step = 7 if side.numel() > PIECE // 2 else 1
    change = side.reshape(-1)[::step].float() - base.reshape(-1)[::step].float()
    found = float(change.dot(change)) * step
    return found if math.isfinite(found) else 0.0


def _placed(array: NDArray[Any], group: Computed) -> torch.Tensor:
    """The array where the group is to be computed."""
    return tensor_of(array).to(group.choice.options["device"])


def _slice(group: Computed) -> int:
    """How many elements to compute at a time."""
    return PIECE if group.choice.options["device"] == "cpu" else PIECE << 10


def _raw(tensor: torch.Tensor) -> memoryview:
    """The bytes of its elements."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _roomy(base: torch.dtype, output: torch.dtype) -> torch.dtype:
    """The type to which the strategy shall round, so that the result's own rounding loses nothing twice."""
    if base == output or base.itemsize > output.itemsize:
        return base
    return output if output.itemsize > base.itemsize else torch.float32
