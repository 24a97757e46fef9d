"""tsv: the leading singular vectors of every change, made orthogonal to one another (TSV-Merge)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.shared_options import FLATTEN
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The leading task singular vectors of all sides, whitened."""
    from strategies.matrices import on_matrices

    return on_matrices(_merged, deltas, options)


def _merged(deltas: Sequence[Tensor], options: Options) -> Tensor:
    import torch

    from strategies.matrices import mean
    from strategies.matrices import thin_svd
    from strategies.matrices import whitened_product

    rank = min(deltas[0].shape) // len(deltas)
    if rank == 0:
        return mean(deltas)
    lefts, values, rights = zip(*map(thin_svd, deltas), strict=True)
    leading = torch.cat([each[:rank] for each in values])
    return whitened_product([each[:, :rank] for each in lefts], leading, [each[:rank] for each in rights])


STRATEGY = task_vector_strategy(
    delta,
    name="tsv",
    summary="combine the leading singular vectors of all changes after making them orthogonal",
    formula=(
        "top min(out, in) / n singular triplets of each d_i, stacked; U', V' = their polar factors; R = B + "
        "scale * U' S V'"
    ),
    when=(
        "the strongest first try without data for sides of equal strength on large matrices; costs a decomposition each"
    ),
    reference="Gargiulo et al. 2025, Task Singular Vectors, arXiv:2412.00081",
    options=(FLATTEN,),
    cost="three singular value decompositions per matrix and two sides",
    sides=(2, None),
    symmetric=True,
)
