"""regmean: the linear layer that best reproduces every side's outputs on its own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import always
from strategies.messages import side_name
from strategies.option import Option
from strategies.shared_options import POSITIVE_WEIGHTS
from strategies.shared_options import no_cancelling_weights

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The least-squares solution for a linear layer with Grams; the weighted mean for everything else."""
    from strategies.election import weighted_sum

    grams = _grams(sides, options, context)
    if grams is None:
        return weighted_sum(sides, options["weights"], normalize=True)
    layers = [side.double().T if options["transposed"] else side.double() for side in sides]
    solution = _solution(layers, [_shrunk(gram, options) for gram in grams], options["weights"])
    return (solution.T if options["transposed"] else solution).to(sides[0].dtype)


def _solution(layers: Sequence[Tensor], grams: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``(sum w_i X_i G_i) (sum w_i G_i)^-1`` by Cholesky."""
    import torch

    from strategies.election import weighted_sum

    products = [layer @ gram for layer, gram in zip(layers, grams, strict=True)]
    factor = torch.linalg.cholesky(weighted_sum(grams, weights, normalize=True))
    solved: Tensor = torch.cholesky_solve(weighted_sum(products, weights, normalize=True).T, factor)
    return solved.transpose(0, 1)


def _shrunk(gram: Tensor, options: Options) -> Tensor:
    """The Gram with off-diagonals times ``alpha``, and a ridge relative to its mean diagonal."""
    import torch

    alpha: float = options["alpha"]
    wide = gram.double()
    diagonal = wide.diagonal()
    ridge = options["ridge"] * (diagonal.mean().item() or 1.0)
    return wide * alpha + torch.diag(diagonal * (1 - alpha) + ridge)


def _grams(sides: Sequence[Tensor], options: Options, context: Context) -> list[Tensor] | None:
    """The Grams of all sides, or None for a group that has none."""
    if not context.side_data:
        raise CannotMerge(context.group, f"no Gram matrices for {side_name(context.sides[0])}; {HOW}")
    found = [gram for gram in context.side_data if gram is not None]
    if not found:
        return None
    if len(found) < len(sides):
        lacking = next(side for side, gram in zip(context.sides, context.side_data, strict=True) if gram is None)
        raise CannotMerge(context.group, f"no Gram matrix for {side_name(lacking)}; {HOW}")
    width = sides[0].shape[0 if options["transposed"] else -1] if sides[0].ndim == 2 else 0
    for gram in found:
        if list(gram.shape) != [width, width]:
            shapes = f"{list(gram.shape)} does not fit a layer of shape {list(sides[0].shape)}"
            raise CannotMerge(context.group, f"a Gram matrix of shape {shapes} (transposed={options['transposed']})")
    return found


HOW = "make them with strategies.side_data.input_grams and save them beside the checkpoint as NAME.gram.safetensors"

STRATEGY = Strategy(
    name="regmean",
    summary="for each linear layer, the weights that best reproduce all sides on their own inputs; means elsewhere",
    formula=(
        "R = (sum w_i X_i G_i) (sum w_i G_i)^-1, G_i = mean of x x^T over side i's inputs, off-diagonals times alpha"
    ),
    when="a few batches of each side's data are at hand: the best of the cheap methods for linear layers",
    reference="Jin et al. 2023, Dataless Knowledge Fusion (RegMean), arXiv:2212.09849",
    merge=merge,
    ignores_base=always,
    options=(
        POSITIVE_WEIGHTS,
        Option("alpha", "float", 0.9, "factor on the Gram's off-diagonals", "[0, 1]"),
        Option("ridge", "float", 1e-6, "added to the Gram's diagonal, relative to its mean", "[0, inf)"),
        Option("transposed", "bool", False, "layers are stored [in, out] (GPT-2's Conv1D), not [out, in]"),
    ),
    check=no_cancelling_weights,
    symmetric=True,
    side_data="gram",
    cost="one Cholesky factorisation per layer",
)
