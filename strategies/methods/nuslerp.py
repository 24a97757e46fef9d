"""nuslerp: spherical interpolation with a weight per side, whole tensors or row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.option import Option
from strategies.shared_options import ANGLES
from strategies.shared_options import DELTAS
from strategies.shared_options import WEIGHTS
from strategies.shared_options import without_deltas

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The point at ``w_2 / (w_1 + w_2)`` of the arc from ours to theirs, of each tensor or of each of its slices."""
    from strategies.spherical import around_base

    weights: tuple[float, float] = options["weights"]
    total = sum(weights)
    t = 0.5 if abs(total) < 1e-6 else weights[1] / total
    return around_base(base, sides, options, lambda ends: _arcs(ends[0], ends[1], t, options))


def _arcs(a: Tensor, b: Tensor, t: float, options: Options) -> Tensor:
    from strategies.spherical import slerp_slices

    rounded = options["angles"] == "input"
    if options["flatten"] or a.ndim < 2:
        return slerp_slices(a.reshape(1, -1), b.reshape(1, -1), t, rounded).reshape(a.shape)
    axis = 0 if options["row_wise"] else -1
    return slerp_slices(a.movedim(axis, -1), b.movedim(axis, -1), t, rounded).movedim(-1, axis)


STRATEGY = Strategy(
    name="nuslerp",
    summary="spherical interpolation with weights, of whole tensors or row by row, by default of the changes",
    formula="t = w_2 / (w_1 + w_2); R = B + (sin((1-t) th) d_1 + sin(t th) d_2) / sin th, th per tensor or per row",
    when="two fine-tunes whose changes point in different directions, and whose size of change should be kept",
    reference="mergekit (no paper)",
    merge=merge,
    ignores_base=without_deltas,
    options=(
        WEIGHTS,
        Option(
            "flatten",
            "bool",
            True,
            "one angle per tensor; false: one per slice along an axis",
            aliases=("nuslerp_flatten",),
        ),
        Option(
            "row_wise",
            "bool",
            False,
            "with flatten=false, slices along the first axis instead of the last",
            aliases=("nuslerp_row_wise",),
        ),
        replace(DELTAS, default=True),
        ANGLES,
    ),
    sides=(2, 2),
    symmetric=True,
    cost="two passes over the values",
)
