"""sce: select values that vary between sides, weigh sides by energy, erase minority signs (FuseChat)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.option import Option
from strategies.task_vectors import task_vector_strategy

if TYPE_CHECKING:
    from torch import Tensor


def delta(deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The selected changes that have the majority sign, weighted by each side's mean square."""
    from strategies.election import elected_sign
    from strategies.election import elected_sum
    from strategies.reductions import dot

    kept = _selected(deltas, options["select_topk"])
    energies = [dot(change, change) / change.numel() for change in kept]
    whole, floor = sum(energies), options["floor"]
    shares = [energy / whole for energy in energies] if whole > floor else [1 / len(kept)] * len(kept)
    weighted = [change * share for change, share in zip(kept, shares, strict=True)]
    return elected_sum(weighted, shares, elected_sign(kept), normalize=True, floor=floor)


def _selected(deltas: Sequence[Tensor], share: float) -> Sequence[Tensor]:
    """The changes with everything but the values of largest variance between sides set to zero."""
    import torch

    from strategies.selection import largest

    if share >= 1 or len(deltas) == 1:
        return deltas
    variance = torch.stack(tuple(deltas)).var(dim=0, correction=0)
    mask = largest(variance, int(share * int(variance.count_nonzero())))
    return [torch.where(mask, change, 0.0) for change in deltas]


STRATEGY = task_vector_strategy(
    delta,
    name="sce",
    summary="keep the values that differ most between sides, weigh sides by their energy, erase minority signs",
    formula=(
        "c_i = mean(d_i^2) / sum mean(d_i^2); R = B + scale * sum c_i d_i / sum c_i over the sides with the "
        "sign of sum d_i"
    ),
    when="fine-tunes of unequal strength: a side that changed a tensor more has more say in it",
    reference="Wan et al. 2024, FuseChat, arXiv:2408.07990",
    options=(
        Option(
            "select_topk",
            "float",
            1.0,
            "share of varying values that is kept",
            "(0, 1]",
            aliases=("tau", "density"),
        ),
        Option("floor", "float", 0.0, "total energy up to which all sides weigh the same (mergekit: 1e-6)", "[0, inf)"),
    ),
    symmetric=True,
)
