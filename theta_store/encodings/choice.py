"""Choice: which encoding makes a group smallest, judged by a sample of its first chunk."""

from __future__ import annotations

from collections.abc import Callable

from theta_checkpoint.dtypes import DTYPES
from theta_store.chunks import resized
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import sparse

_PIECE = 16 << 10
_PIECES = 4
_FEW = 0.5
"""the share of numbers that may differ where sparse is worth a try: it is the slowest, and never small beyond"""
_GAIN = 0.95
"""what an encoding that leans on a base may at most have of dense's size: reading it takes reading the base too"""
_COST = 400
"""bytes that leaning on a base adds to the manifests, about"""


def _dense(raw: bytes, base: bytes, dtype: str) -> bytes:
    return dense.encoded(raw, dense.shuffle_width(dtype))


ENCODERS: dict[str, Callable[[bytes, bytes, str], bytes]] = {
    dense.NAME: _dense,
    delta.NAME: delta.encoded,
    sparse.NAME: sparse.encoded,
}
"""name of an encoding to the object for ``(raw, base, dtype)``, for those that `git add` chooses among"""


def chosen(raw: bytes, base: bytes, dtype: str) -> str:
    """The name of the encoding for a group whose first chunk is ``raw``, and ``base`` that of an earlier version.

    Dense, unless another saves enough to be worth its base.
    """
    ours, theirs = _sample(raw, dtype), _sample(resized(base, len(raw)), dtype)
    tried = {dense.NAME, delta.NAME, *([sparse.NAME] if sparse.share(ours, theirs, dtype) <= _FEW else [])}
    sizes = {name: len(encode(ours, theirs, dtype)) for name, encode in ENCODERS.items() if name in tried}
    plain = sizes.pop(dense.NAME)
    best = min(sizes, key=sizes.__getitem__)
    saved = (plain - sizes[best]) * len(raw) / max(len(ours), 1)
    return best if sizes[best] < _GAIN * plain and saved > _COST else dense.NAME


def _sample(raw: bytes, dtype: str) -> bytes:
    """A few pieces of whole elements, spread over the chunk; all of it if it is small."""
    if len(raw) <= _PIECE * _PIECES:
        return raw
    step = len(raw) // _PIECES
    step -= step % DTYPES[dtype].itemsize
    return b"".join(raw[start : start + _PIECE] for start in range(0, step * _PIECES, step))
