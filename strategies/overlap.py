"""Which values several sides changed, and which only one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def overlap_counts(deltas: Sequence[Tensor], epsilon: float) -> list[tuple[int, int]]:
    """For each side, how many values it changed alone and how many together with others."""
    changed = [change.abs() > epsilon for change in deltas]
    times = sum(mask.to(torch.int32) for mask in changed)
    return [(int((mask & (times == 1)).sum()), int((mask & (times > 1)).sum())) for mask in changed]


def overlap_mean(deltas: Sequence[Tensor], factors: Sequence[float], epsilon: float) -> Tensor:
    """Each value's mean over the sides that changed it by more than ``epsilon``; a lone change times its factor."""
    total, lone = torch.zeros_like(deltas[0]), torch.zeros_like(deltas[0])
    times = torch.zeros_like(deltas[0])
    for change, factor in zip(deltas, factors, strict=True):
        changed = change.abs() > epsilon
        kept = torch.where(changed, change, 0.0)
        total.add_(kept)
        lone.add_(kept, alpha=factor)
        times.add_(changed)
    return torch.where(times == 1, lone, total.div_(times.clamp_(min=1)))
