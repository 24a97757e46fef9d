"""Choice: which encoding makes a group smallest, judged by a sample of its first chunk."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import resized
from theta_store.encodings import blend
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import sparse
from theta_store.encodings.factors import keeps_subnormals

_PIECE = 16 << 10
_PIECES = 4
_SHARE = 64
"""of a group, a piece is at most this part: to encode the sample too must cost little"""
_SMALL = 16 << 10
"""bytes up to which all of a group is the sample: less would tell too little"""
_FEW = 0.6
"""the share of numbers that may differ where sparse is worth a try: it is the slowest, and never small beyond"""
_GAIN = 0.95
"""what an encoding that leans on a base may at most have of dense's size: reading it takes reading the base too"""
_GAIN_OF_SEVERAL = 0.5
"""what one that leans on several may at most have of the best of the others"""
_COST = 400
"""bytes that leaning on a base adds to the manifests, about"""


@dataclass(frozen=True, slots=True)
class Choice:
    """How to encode every chunk of a group."""

    encoding: str
    """its name"""
    leans_on: tuple[int, ...]
    """the places of the bases that it needs, among those there are"""
    encoded: Callable[[bytes, Sequence[bytes]], bytes]
    """from the raw bytes of a chunk, and those of the same chunk of the bases that it needs, to an object's bytes"""


def plain(dtype: str) -> Choice:
    """The choice where there is no base."""
    return Choice(dense.NAME, (), lambda raw, bases: dense.encoded(raw, dense.shuffle_width(dtype)))


def chosen(raw: bytes, bases: Sequence[bytes], dtype: str) -> Choice:
    """The choice for a group whose first chunk is ``raw``, and ``bases`` those of other versions, the nearest first.

    Dense, unless another saves enough to be worth its bases.
    """
    ours, *others = (_sample(resized(one, len(raw)), dtype) for one in (raw, *bases))

    def size(choice: Choice) -> int:
        return len(choice.encoded(ours, [others[place] for place in choice.leans_on]))

    best = plain(dtype)
    least = size(best)
    for most, choices in ((_GAIN, _differences(ours, others, dtype)), (_GAIN_OF_SEVERAL, _blends(ours, others, dtype))):
        for new, choice in sorted(((size(one), one) for one in choices), key=lambda pair: pair[0])[:1]:
            saved = (least - new) * len(raw) / max(len(ours), 1)
            if new < most * least and saved > _COST * (len(choice.leans_on) - len(best.leans_on)):
                best, least = choice, new
    return best


def _differences(ours: bytes, others: Sequence[bytes], dtype: str) -> list[Choice]:
    """The choices that lean on the first base alone."""
    if not others:
        return []
    few = sparse.share(ours, others[0], dtype) <= _FEW
    found = [Choice(delta.NAME, (0,), lambda raw, bases: delta.encoded(raw, bases[0], dtype))]
    return [*found, Choice(sparse.NAME, (0,), lambda raw, bases: sparse.encoded(raw, bases[0], dtype))][: 1 + few]


def _blends(ours: bytes, others: Sequence[bytes], dtype: str) -> list[Choice]:
    """The choice that leans on those of several bases of which the group is a sum."""
    if len(others) < 2 or not blend.blends(dtype) or not keeps_subnormals():
        return []
    weights = blend.fitted(ours, others, dtype)
    places = tuple(place for place, weight in enumerate(weights) if weight)
    used = [weights[place] for place in places]
    return [Choice(blend.NAME, places, lambda raw, bases: blend.encoded(raw, bases, dtype, used))]


def _sample(raw: bytes, dtype: str) -> bytes:
    """A few pieces of whole elements, spread over the chunk; all of it if it is small."""
    if len(raw) <= _SMALL:
        return raw
    step, piece = (
        length - length % DTYPES[dtype].itemsize for length in (len(raw) // _PIECES, min(_PIECE, len(raw) // _SHARE))
    )
    return b"".join(raw[start : start + piece] for start in range(0, step * _PIECES, step))
