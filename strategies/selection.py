"""The k largest of many values, by selection instead of sorting."""

from __future__ import annotations

import torch
from torch import Tensor


def kept_count(density: float, elements: int) -> int:
    """How many of ``elements`` a density keeps: rounded down, but at least one unless the density is 0."""
    return max(int(density * elements), 1 if density > 0 and elements else 0)


def largest(values: Tensor, count: int) -> Tensor:
    """A mask of the ``count`` largest values; of equal values those with the lower flat index come first."""
    if count <= 0:
        return torch.zeros_like(values, dtype=torch.bool)
    if count >= values.numel():
        return torch.ones_like(values, dtype=torch.bool)
    threshold = order_statistic(values, values.numel() - count)
    mask = values >= threshold
    if surplus := int(mask.count_nonzero()) - count:
        ties = (values == threshold).reshape(-1).nonzero().reshape(-1)
        mask.view(-1)[ties[len(ties) - surplus :]] = False
    return mask


def order_statistic(values: Tensor, index: int) -> float:
    """The element at ``index`` (from 0) of the values in ascending order."""
    flat = values.reshape(-1)
    if flat.is_cuda:
        return flat.kthvalue(index + 1).values.item()
    # numpy's introselect is several times faster than torch.kthvalue, ten times faster than topk (2.4 M floats)
    array = flat.numpy().copy()
    array.partition(index)
    return float(array[index])
