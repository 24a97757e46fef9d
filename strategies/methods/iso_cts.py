"""iso-cts: iso-c with a part of the space reserved for what each side alone changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.option import Option
from strategies.shared_options import FLATTEN
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The common directions and those of every side, whitened, with equal singular values."""
    from strategies.matrices import on_matrices

    return on_matrices(_merged, deltas, options)


def _merged(deltas: Sequence[Tensor], options: Options) -> Tensor:
    import torch

    from strategies.matrices import thin_svd
    from strategies.matrices import whitened_product

    common, own = _ranks(min(deltas[0].shape), len(deltas), options["common"])
    left, values, right = (part for part in thin_svd(sum(deltas[1:], deltas[0])))
    shared = left[:, :common]
    rests = ((each - shared @ (shared.T @ each), each) for each in deltas)
    lefts, spectra, rights = zip(*(thin_svd(rest, of=each) for rest, each in rests), strict=True)
    spectrum = torch.cat([*(each[:own] for each in spectra), values[:common]])
    level = spectrum.sum() / (common + len(deltas) * own)
    stacked_left = [*(each[:, :own] for each in lefts), shared]
    stacked_right = [*(each[:own] for each in rights), right[:common]]
    return whitened_product(stacked_left, level.expand_as(spectrum), stacked_right)


def _ranks(smallest: int, count: int, share: float) -> tuple[int, int]:
    """How many common directions there are, and how many of each side's own."""
    own = min(round((smallest - int(share * smallest)) / count), smallest // count)
    return smallest - count * own, own


STRATEGY = task_vector_strategy(
    delta,
    name="iso-cts",
    summary="iso-c on the common directions plus a few directions of each side's own",
    formula=(
        "common share of directions from sum d_i, the rest from each d_i outside them, whitened; R = B + "
        "scale * mean(s) U' V'"
    ),
    when="many sides of which some learned something the sum does not show",
    reference="Marczak et al. 2025, No Task Left Behind, arXiv:2502.04959",
    options=(Option("common", "float", 0.8, "share of the directions that is common to all sides", "[0, 1]"), FLATTEN),
    cost="n + 3 singular value decompositions per matrix",
    sides=(2, None),
    symmetric=True,
)
