"""Compute: the bytes of a group that a strategy makes out of its versions, a slice at a time where it may."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from strategies.apply import is_finite
from strategies.apply import merged
from strategies.apply import seen
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import MergeError
from strategies.contract import Options
from strategies.given_options import options_of_sides
from strategies.methods.lora import merged_factors
from strategies.pieces import PIECE
from strategies.survey import Versions as Surveyed
from strategies.survey import surveyed
from theta_checkpoint.layout import element_count
from theta_merge.adapters import CONFIG
from theta_merge.adapters import is_factor
from theta_merge.adapters import merged_rank
from theta_merge.adapters import pair
from theta_merge.adapters import scale
from theta_merge.cautions import Cautions
from theta_merge.choices import resized_side
from theta_merge.outcome import Computed
from theta_merge.outcome import sides_of
from theta_merge.reading import Reader
from theta_merge.reading import Versions
from theta_merge.reading import tensor
from theta_merge.side_data import Beside
from theta_merge.side_data import Nothing
from theta_merge.side_data import SideData
from theta_merge.storage_order import storage_axes
from theta_merge.tensors import raw_bytes
from theta_merge.tensors import torch_dtype
from theta_store import values
from theta_store.chunks import chunk_length


@dataclass(frozen=True)
class Computer:
    """Computes groups; may be used from several threads at once."""

    reader: Reader
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
            yield from (raw_bytes(self._merged(group, versions, place)) for versions, place in self._slices(group))
            return
        target = group.state
        whole = self._merged_in_one(group)
        yield raw_bytes(whole.reshape(target.shape).permute(storage_axes(target.shape, target.strides)))

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

    def _everyone(self, groups: Sequence[Computed]) -> Iterator[Surveyed]:
        """Each group with base and all sides, for a survey."""
        for group in groups:
            everyone = _everyone(group)
            context = Context(group.conflict.name, sides=everyone, side_data=self._side_data(group, everyone))
            yield context, self.reader.base(group), [self.reader.side(side, group) for side in everyone]

    def _side_data(self, group: Computed, sides: Sequence[int]) -> tuple[torch.Tensor | None, ...]:
        kind = group.choice.strategy.side_data
        if not kind:
            return ()
        name, files = group.conflict.name, [self.data[kind][side] for side in sides]
        return tuple(tensor(file, name, group) if name in file.manifest.groups else None for file in files)

    def _slices(self, group: Computed) -> Iterator[tuple[Versions, Context]]:
        """Every version's next slice, and its place in the group."""
        place = Context(group.conflict.name, total=element_count(group.state.shape))
        read = self.reader.slices(group)
        if group.choice.strategy.look(group.choice.options):
            base, sides = self.reader.flat(group)
            kept = sides_of(group)
            context = replace(place, sides=kept, total=None)
            place = replace(place, seen=seen(group.choice.strategy, base, sides, _options(group, kept), context))
            read = self.reader.slices_of(group, base, sides)
        return ((versions, replace(place, offset=start)) for versions, start in read)

    def _merged_in_one(self, group: Computed) -> torch.Tensor:
        if is_factor(group.conflict.name, group.choice):
            return self._merged_factor(group)
        if resized_side(group.conflict):
            return self._merged_rows(group)
        return self._merged(group, self.reader.whole(group), Context(group.conflict.name))

    def _merged_factor(self, group: Computed) -> torch.Tensor:
        """One factor of a pair that is merged as a product, scaled for the configuration of ours."""
        name, (first, second) = group.conflict.name, pair(group.conflict.name)
        sides = _everyone(group)
        factors = [(self.reader.side(side, group, first), self.reader.side(side, group, second)) for side in sides]
        if not all(is_finite(factor) for both in factors for factor in both):
            raise CannotMerge(name, "holds NaN or infinity")
        scales = [scale(self.beside.file(CONFIG, side), side, first, len(factors[side][0])) for side in sides]
        options = _options(group, sides)
        divisor = sum(options["weights"]) if options["normalize"] else 1.0
        shares = [weight / divisor * own for weight, own in zip(options["weights"], scales, strict=True)]
        rank = merged_rank(group.conflict, group.choice)
        ours = scale(self.beside.file(CONFIG, 0), 0, first, rank)
        a, b = merged_factors(factors, shares, ours, None if options["factors"] == "stack" else rank)
        return _rounded(a if name == first else b, group)

    def _merged_rows(self, group: Computed) -> torch.Tensor:
        """The rows that all versions have, merged, and behind them those that only one has."""
        versions = self.reader.whole(group)
        common = min(len(version) for version in versions if version is not None)
        cut = [None if version is None else version[:common] for version in versions]
        merged_rows = self._merged(group, cut, Context(group.conflict.name))
        rows = group.state.shape[0]
        more = [version[common:] for version in versions if version is not None and len(version) == rows > common]
        return torch.cat([merged_rows, *(rest.to(merged_rows.dtype) for rest in more)])

    def _merged(self, group: Computed, versions: Versions, place: Context) -> torch.Tensor:
        """The result in its dtype, of whole versions or of the slices at ``place``."""
        strategy, kept = group.choice.strategy, sides_of(group)
        base, sides = versions[0], [side for side in versions[1:] if side is not None]
        if base is not None:
            # The strategy rounds to base's dtype: where the result is to be wider, base goes there first.
            base = base.to(_roomy(base.dtype, torch_dtype(group.state.dtype)))
        if strategy.needs_base and base is not None:
            squares = (_square_sum(side, base) for side in sides)
            self.cautions.changed(strategy.name, dict(zip(kept, squares, strict=True)))
        context = replace(
            place,
            remark=partial(self.cautions.remark, strategy.name),
            sides=kept,
            statistics=self.statistics.get(str(group.choice), {}),
            side_data=self._side_data(group, kept),
        )
        return _rounded(merged(strategy, base, sides, _options(group, kept), context), group)


def _everyone(group: Computed) -> tuple[int, ...]:
    """All sides of the merge."""
    return tuple(range(len(group.conflict.sides)))


def _options(group: Computed, sides: Sequence[int]) -> Options:
    """The options as the strategy sees them for these sides."""
    return options_of_sides(group.choice.strategy, group.choice.options, sides, len(group.conflict.sides))


def _in_slices(group: Computed) -> bool:
    """Whether the group may be computed a slice at a time; slices run in C order."""
    strategy = group.choice.strategy
    pieced = resized_side(group.conflict) or is_factor(group.conflict.name, group.choice)
    whole = strategy.side_data or group.state.strides or pieced
    return strategy.elementwise(group.choice.options) and not whole


def _square_sum(side: torch.Tensor, base: torch.Tensor) -> float:
    """About the sum of squares of a change, from every seventh element of a large one; 0 where it is not finite."""
    step = 7 if side.numel() > PIECE // 2 else 1
    change = side.reshape(-1)[::step].float() - base.reshape(-1)[::step].float()
    found = float(change.dot(change)) * step
    return found if math.isfinite(found) else 0.0


def _roomy(base: torch.dtype, output: torch.dtype) -> torch.dtype:
    """The type to which the strategy shall round, so that the result's own rounding loses nothing twice."""
    if base == output or base.itemsize > output.itemsize:
        return base
    return output if output.itemsize > base.itemsize else torch.float32


def _rounded(result: torch.Tensor, group: Computed) -> torch.Tensor:
    """A result in the dtype of the merged group; :class:`CannotMerge` where values are too large for it."""
    output = torch_dtype(group.state.dtype)
    if result.dtype == output:
        return result
    narrow = result.to(output)
    if not group.choice.options["allow_nonfinite"] and not is_finite(narrow):
        raise CannotMerge(group.conflict.name, f"the result is too large for {group.state.dtype}")
    return narrow
