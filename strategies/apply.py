"""One parameter group merged: the rules that hold for every strategy, in one place.

Unchanged and equal sides are settled bit for bit before any arithmetic; what remains is computed in float32
(float64 if a version is float64) and rounded once, to the dtype of base (of ours where there is no base).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.given_options import check_sides
from strategies.given_options import options_of_sides
from strategies.pieces import Flat
from strategies.pieces import Whole
from strategies.pieces import pieces


def changed_sides(base: object | None, sides: Sequence[object]) -> tuple[int, ...]:
    """Which sides still count, by comparing versions (digests, or anything else with exact equality).

    Empty: every side equals base, so take base. One: take that side as it is. Several: a strategy must compute.
    Sides equal to base are left out; if those that remain are all equal, the first stands for all.
    """
    changed = tuple(i for i, side in enumerate(sides) if base is None or side != base)
    if all(sides[a] == sides[b] for a, b in pairwise(changed)):
        return changed[:1]
    return changed


def merged(
    strategy: Strategy, base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context
) -> Tensor:
    """The one version of a group, of the shape of ours and the dtype of base (of ours if base is None).

    ``options`` come from :func:`strategies.given_options.parse_options`. The versions are compared here, unless
    ``context.sides`` says that the caller has done so with :func:`changed_sides` (it must, to pass slices of an
    elementwise merge, with what :func:`seen` finds), passes only those sides and narrowed the options with
    :func:`strategies.given_options.options_of_sides`. Where the strategy ignores base, ``base`` may then be a tensor on
    the device ``meta``, of the right shape and dtype but without values. The result may be one of the inputs.

    Raises :class:`CannotMerge` naming the group, and ``MergeError`` for options that fit no group.
    """
    check_sides(strategy, options, len(sides))
    if strategy.needs_base and base is None:
        raise CannotMerge(
            context.group, f"strategy {strategy.name!r} needs the common ancestor, which lacks this group"
        )
    if strategy.selects:
        return strategy.merge(base, sides, options, context)
    _refuse_shapes(base, sides, context)
    kept = _kept(base, sides, options, context)
    if not kept and base is not None:
        return base
    if len(kept) == 1 < len(sides):
        return sides[kept[0]]
    output = (sides[0] if base is None else base).dtype
    if sides[0].numel() == 0:
        return sides[0].to(output)
    _refuse_other_numbers(base, sides, context)
    options = options_of_sides(strategy, options, kept, len(sides))
    return _computed(strategy, base, [sides[i] for i in kept], options, _context_of(context, kept), output)


def seen(strategy: Strategy, base: Flat | None, sides: Sequence[Flat], options: Options, context: Context) -> Any:
    """What belongs in ``context.seen`` of every slice of this group; None if the strategy looks at nothing first.

    Takes what :func:`merged` takes for slices, but whole.
    """
    look = strategy.look(options)
    if look is None:
        return None
    start = None if base is None or strategy.ignores_base(options) else _flat(base)
    return look(Whole(start, [_flat(side) for side in sides], compute_dtype(base, sides)), options, context)


def _flat(version: Flat) -> Flat:
    return version.reshape(-1) if isinstance(version, Tensor) else version


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same dtype, shape and bytes (a NaN equals itself, 0.0 does not equal -0.0)."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(_bits(a), _bits(b))


def _bits(tensor: Tensor) -> Tensor:
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    widths = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return flat.view(widths[flat.element_size()])


class _Version:
    """A tensor that compares by its bits."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Version) and same_bits(self.tensor, other.tensor)

    __hash__ = None  # type: ignore[assignment]


def _kept(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> tuple[int, ...]:
    if context.sides or len(sides) == 1 or not options["shortcuts"]:
        return tuple(range(len(sides)))
    return changed_sides(None if base is None else _Version(base), [_Version(side) for side in sides])


def _context_of(context: Context, kept: Sequence[int]) -> Context:
    return replace(
        context,
        sides=tuple(context.sides[i] if context.sides else i for i in kept),
        side_data=tuple(context.side_data[i] for i in kept) if context.side_data else (),
    )


def _refuse_shapes(base: Tensor | None, sides: Sequence[Tensor], context: Context) -> None:
    shapes = [list(version.shape) for version in _versions(base, sides)]
    if any((shape or [1]) != (shapes[0] or [1]) for shape in shapes):
        listed = " and ".join(dict.fromkeys(map(str, shapes)))
        raise CannotMerge(context.group, f"the versions have different shapes: {listed}")


def _refuse_other_numbers(base: Tensor | None, sides: Sequence[Tensor], context: Context) -> None:
    for version in _versions(base, sides):
        kind = str(version.dtype).removeprefix("torch.")
        if version.is_complex():
            raise CannotMerge(
                context.group, f"{kind} values are complex, and strategies merge real numbers; take one side"
            )
        if not version.is_floating_point():
            raise CannotMerge(context.group, f"{kind} values are never averaged; take one side")


def _versions(base: Tensor | None, sides: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (*sides,) if base is None else (base, *sides)


def _computed(
    strategy: Strategy,
    base: Tensor | None,
    sides: Sequence[Tensor],
    options: Options,
    context: Context,
    output: torch.dtype,
) -> Tensor:
    compute = _Compute(strategy, options, compute_dtype(base, sides), output)
    base = None if strategy.ignores_base(options) else base
    shape = sides[0].shape
    if context.total is None:
        context = replace(context, seen=seen(strategy, base, sides, options, context))
    if not strategy.elementwise(options):
        whole = shape or (1,)
        return compute(_shaped(base, whole), [side.reshape(whole) for side in sides], context).reshape(shape)
    base, sides = _shaped(base, (-1,)), [side.reshape(-1) for side in sides]
    context = replace(context, total=context.total or len(sides[0]))
    parts = list(pieces(sides[0]))
    if len(parts) == 1:
        return compute(base, sides, context).reshape(shape)
    result = torch.empty_like(sides[0], dtype=output)
    for part in parts:
        place = replace(context, offset=context.offset + part.start)
        result[part] = compute(None if base is None else base[part], [side[part] for side in sides], place)
    return result.reshape(shape)


def _shaped(tensor: Tensor | None, shape: Sequence[int]) -> Tensor | None:
    return None if tensor is None else tensor.reshape(shape)


@dataclass(frozen=True, slots=True)
class _Compute:
    """A strategy with the rounding and the checks around it."""

    strategy: Strategy
    options: Options
    precision: torch.dtype
    output: torch.dtype

    def __call__(self, base: Tensor | None, sides: Sequence[Tensor], context: Context) -> Tensor:
        wide = None if base is None else widened(base, self.precision, self.options, context)
        ends = [widened(side, self.precision, self.options, context) for side in sides]
        try:
            rounded = self.strategy.merge(wide, ends, self.options, context).to(self.output)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise CannotMerge(context.group, f"strategy {self.strategy.name!r}: {error}") from error
        if not self.options["allow_nonfinite"] and not is_finite(rounded):
            kind = str(self.output).removeprefix("torch.")
            raise CannotMerge(context.group, f"strategy {self.strategy.name!r} gives values too large for {kind}")
        return rounded


def compute_dtype(base: Flat | None, sides: Sequence[Flat]) -> torch.dtype:
    """What a group is computed in: float64 if any version is, else float32."""
    double = any(version.dtype == torch.float64 for version in (base, *sides) if version is not None)
    return torch.float64 if double else torch.float32


def widened(version: Tensor, precision: torch.dtype, options: Options, context: Context) -> Tensor:
    """A version in the compute dtype; :class:`CannotMerge` if it holds NaN or infinity and may not."""
    wide = version.to(precision)
    if not options["allow_nonfinite"] and not is_finite(wide):
        raise CannotMerge(context.group, "holds NaN or infinity (allow_nonfinite=true merges it anyway)")
    return wide


def is_finite(tensor: Tensor) -> bool:
    """Whether a float tensor holds neither NaN nor infinity."""
    # A finite sum proves every term finite and takes one pass; only a sum that overflows needs a second look.
    if tensor.element_size() >= 4 and math.isfinite(tensor.sum().item()):
        return True
    return bool(torch.isfinite(tensor.float() if tensor.element_size() == 1 else tensor).all())
