"""How far a tensor moved between two versions: measured exactly, or estimated from sketches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_store.sketches import Sketch


@dataclass(frozen=True, slots=True)
class Change:
    """How far one tensor moved. None where the question makes no sense or has no known answer."""

    relative_change: float | None = None
    """|new - old| / |old| in the L2 norm over the finite values; None where old is all zeros"""
    cosine: float | None = None
    """cosine between old and new as vectors; None where one of them is all zeros"""
    max_abs: float | None = None
    """largest |new - old| of one element"""
    estimated: bool = False
    """from sketches: the relative change is within about 10 %"""
    from_zero: bool = False
    """old is all zeros, new is not"""
    nans: tuple[int, int] = (0, 0)
    """NaN values in old and in new"""
    infinities: tuple[int, int] = (0, 0)
    """infinite values in old and in new"""


def is_measurable(pair: Pair) -> bool:
    """Whether a distance between the two tensors means something: equal shapes, and numbers in both."""
    return pair.old.shape == pair.new.shape and _is_numeric(pair.old) and _is_numeric(pair.new)


def estimates(pairs: Iterable[Pair], old: Mapping[str, Sketch], new: Mapping[str, Sketch]) -> dict[str, Change]:
    """The change of each pair, by new name, as far as the sketches (by digest) of both sides tell."""
    found = {}
    for pair in pairs:
        before, after = old.get(pair.old.digest), new.get(pair.new.digest)
        if before and after and _is_sketched(pair.old) and _is_sketched(pair.new):
            found[pair.new.name] = estimated(pair, before, after)
    return found


def estimated(pair: Pair, old: Sketch, new: Sketch) -> Change:
    """The change of one pair whose sketches cover exactly its values."""
    nans, infinities = (old.nans, new.nans), (old.infinities, new.infinities)
    comparable = is_measurable(pair) and pair.old.strides == pair.new.strides
    if not comparable:
        return Change(estimated=True, nans=nans, infinities=infinities)
    return Change(
        relative_change=_finite(old.distance(new) / old.norm) if old.norm else None,
        cosine=_cosine(old, new),
        estimated=True,
        from_zero=not old.norm and new.norm > 0,
        nans=nans,
        infinities=infinities,
    )


def _is_numeric(tensor: NamedTensor) -> bool:
    return tensor.dtype in DTYPES and DTYPES[tensor.dtype].kind != "bool"


def _is_sketched(tensor: NamedTensor) -> bool:
    """Whether the sketch of the tensor's digest is a sketch of the tensor: not so for a part of another group."""
    return not tensor.owner or tensor.offset == 0


def _cosine(old: Sketch, new: Sketch) -> float | None:
    cosine = old.cosine(new)
    return None if cosine is None else _finite(cosine)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
