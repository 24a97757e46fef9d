"""Paths on spheres: what the slerp family shares. Angles and norms are computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.contract import Options
from strategies.reductions import dot
from strategies.reductions import norm
from strategies.reductions import rounded_row_dots
from strategies.reductions import rounded_row_norms
from strategies.reductions import row_norms

STRAIGHT_SINE = 1e-6
"""Sine of an angle below which float32 values no longer tell where on the arc between nearly opposite vectors a point
lies: a blend divided by it would be rounding noise, a million times amplified."""


def around_base(
    base: Tensor | None, sides: Sequence[Tensor], options: Options, path: Callable[[Sequence[Tensor]], Tensor]
) -> Tensor:
    """``path`` of the raw tensors, or with ``deltas`` and a base to measure from, base plus ``path`` of the changes."""
    if base is None or not options["deltas"]:
        return path(sides)
    return base + path([side - base for side in sides])


def cosine(a: Tensor, b: Tensor) -> float:
    """The cosine of the angle between two flattened tensors, 0 if either has no length."""
    length = norm(a) * norm(b)
    return max(-1.0, min(1.0, dot(a, b) / length)) if length > 0 else 0.0


def angle(a: Tensor, b: Tensor) -> float:
    """The angle between two unit vectors, flattened.

    Kahan's formula: unlike the arc cosine it is exact to the last digits for nearly parallel and opposite vectors.
    """
    return 2 * math.atan2(norm(a - b), norm(a + b))


def slerp_slices(a: Tensor, b: Tensor, t: float, rounded: bool = False) -> Tensor:
    """Slerp of every slice along the last axis; a straight line where a slice's ends are parallel or opposite.

    A slice of length 0 is at right angles to everything. ``rounded``: angles are computed in the dtype of the slices.
    """
    theta = _rounded_angles(a, b) if rounded else _angles(a, b)
    straight = theta.sin() < STRAIGHT_SINE
    sine = torch.where(straight, 1.0, theta.sin())
    share_a = torch.where(straight, 1 - t, ((1 - t) * theta).sin() / sine)
    share_b = torch.where(straight, t, (t * theta).sin() / sine)
    return (a * share_a + b * share_b).to(a.dtype)


def _angles(a: Tensor, b: Tensor) -> Tensor:
    """Between slices along the last axis, by the formula of :func:`angle`."""
    length_a, length_b = row_norms(a), row_norms(b)
    unit_a, unit_b = a.double() / length_a, b.double() / length_b
    theta = 2 * torch.atan2(row_norms(unit_a - unit_b), row_norms(unit_a + unit_b))
    return torch.where((length_a > 0) & (length_b > 0), theta, math.pi / 2)


def _rounded_angles(a: Tensor, b: Tensor) -> Tensor:
    """The same by the arc cosine, in the dtype of the slices."""
    unit_a, unit_b = (each / rounded_row_norms(each).clamp(min=1e-7) for each in (a, b))
    return rounded_row_dots(unit_a, unit_b).clamp(-1, 1).acos()
