"""lora: adapters are merged as the products of their factors, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Strategy
from strategies.contract import always
from strategies.methods import average
from strategies.option import Option
from strategies.shared_options import NORMALIZE
from strategies.shared_options import WEIGHTS
from strategies.shared_options import no_cancelling_weights

if TYPE_CHECKING:
    from torch import Tensor


def merged_factors(
    factors: Sequence[tuple[Tensor, Tensor]], shares: Sequence[float], scale: float, rank: int | None
) -> tuple[Tensor, Tensor]:
    """A and B with ``scale B A = sum share_i B_i A_i``, of the rank given, or of all ranks together if it is None.

    ``factors`` are pairs of A [r_i, in] and B [out, r_i] in float32 or float64. With a rank, the product is the best
    of that rank (Eckart-Young), from an SVD of a small matrix: the products themselves are never formed. The
    singular values are shared between A and B, and each singular vector of B has its largest value positive.
    """
    import torch

    a = torch.cat([one.double() for one, _ in factors])
    b = torch.cat([share / scale * one.double() for (_, one), share in zip(factors, shares, strict=True)], dim=1)
    if rank is not None:
        q_b, r_b = torch.linalg.qr(b)
        q_a, r_a = torch.linalg.qr(a.T)
        u, s, v = torch.linalg.svd(r_b @ r_a.T, full_matrices=False)
        left, right = q_b @ u[:, :rank], v[:rank] @ q_a.T
        signs = torch.sign(left.gather(0, left.abs().argmax(dim=0, keepdim=True))).where(left.any(dim=0), 1.0)
        root = s[:rank].sqrt()
        b, a = left * signs * root, (right * signs.T) * root[:, None]
        b, a = _padded(b, rank, 1), _padded(a, rank, 0)
    return a, b


def _padded(factor: Tensor, rank: int, axis: int) -> Tensor:
    """The factor with zeros for the ranks that the product does not have."""
    import torch

    missing = list(factor.shape)
    missing[axis] = rank - factor.shape[axis]
    return torch.cat([factor, factor.new_zeros(missing)], dim=axis)


STRATEGY = Strategy(
    name="lora",
    summary="merge adapters as products of their factors; all other tensors by their weighted mean",
    formula="s B A = sum w_i s_i B_i A_i / sum w_i, s_i = alpha_i / r_i (rank-stabilised: alpha_i / sqrt r_i)",
    when="the files are PEFT adapters of one base: the mean of factors is not the mean of what they do",
    reference="Hu et al. 2021, LoRA, arXiv:2106.09685; rank-stabilised: Kalajdzievski 2023, arXiv:2312.03732",
    merge=average.merge,
    options=(
        WEIGHTS,
        NORMALIZE,
        Option("factors", "choice", "svd", "best factors of a rank, or all factors stacked", choices=("svd", "stack")),
        Option("rank", "int", 0, "rank of the result with factors=svd; 0: that of ours", "[0, inf)"),
    ),
    ignores_base=always,
    elementwise=always,
    check=no_cancelling_weights,
    symmetric=True,
    products=True,
    cost="one QR of each factor and one small SVD",
)
