"""What every encoding gives back to the last bit: NaN payloads, -0, subnormals, infinities, fp8, booleans, integers."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from blake3 import blake3
from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_store import chains
from theta_store import chunks
from theta_store.chunks import chunk_length
from theta_store.chunks import chunk_ranges
from theta_store.encodings import MODULES
from theta_store.encodings import blend
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.encodings import sparse
from theta_store.encodings.factors import FLOATS
from theta_store.encodings.factors import Factor
from theta_store.encodings.factors import rounded
from theta_store.encodings.factors import widened
from theta_store.objects import ObjectStore
from theta_store.store import Store
from theta_store.updates import LowRank
from theta_store.updates import Scaled
from theta_store.updates import changed

Bits = NDArray[numpy.unsignedinteger]
RANDOM = numpy.random.default_rng(0)
INFINITY = {4: 0x7F800000, 8: 0x7FF << 52}
"""by the bytes of a number"""
ADDED = [
    (name, dtype)
    for name in ("dense", "delta", "sparse", "blend")
    for dtype in DTYPES
    if name != "blend" or blend.blends(dtype)
]


def patterns(dtype: str) -> Bits:
    """All bit patterns of a narrow dtype; of a wide one those that are easily lost, and random ones."""
    width = dense.shuffle_width(dtype)
    if dtype == "BOOL":
        return numpy.array([0, 1] * 150, "u1")
    if width <= 2:
        return numpy.arange(1 << 8 * width, dtype=f"u{width}")
    edges = [0, 1, 2, (1 << 8 * width) - 1, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1, (1 << 8 * width - 1) + 1]
    if DTYPES[dtype].kind in ("float", "complex"):
        infinity, sign = INFINITY[width], 1 << 8 * width - 1
        quiet = infinity | (infinity >> 1 & ~infinity)
        positive = [infinity, infinity - 1, infinity + 1, infinity + 0x123, quiet, quiet + 7, 0x7FFFFF]
        edges += [*positive, *(one | sign for one in positive)]
    random = RANDOM.integers(0, 1 << 63, 5000, numpy.uint64) * 2 + RANDOM.integers(0, 2, 5000, numpy.uint64)
    return numpy.concatenate([numpy.array(edges, f"u{width}"), random.astype(f"u{width}")])[:5000]


def pieces(raw: bytes, dtype: str, shape: tuple[int, ...]) -> Iterator[bytes]:
    return (raw[start : start + length] for start, length in chunk_ranges(len(raw), chunk_length(dtype, shape)))


def stored(raw: bytes, dtype: str, shape: tuple[int, ...], objects: ObjectStore) -> Recipe:
    oids = tuple(objects.write(dense.encoded(one, dense.shuffle_width(dtype))) for one in pieces(raw, dtype, shape))
    return Recipe(blake3(raw).hexdigest(), dense.NAME, oids)


@pytest.mark.parametrize("several_chunks", [False, True])
@pytest.mark.parametrize(("name", "dtype"), ADDED)
def test_what_is_added_comes_back(
    name: str, dtype: str, several_chunks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if several_chunks:
        monkeypatch.setattr(chunks, "MAX_CHUNK", 1000)
    objects = ObjectStore(tmp_path)
    bits = patterns(dtype)
    raw, *others = (one.tobytes() for one in (bits, RANDOM.permutation(bits), RANDOM.permutation(bits)))
    shape = (len(raw) // DTYPES[dtype].itemsize,)
    bases = [stored(one, dtype, shape, objects) for one in others[: {"dense": 0, "blend": 2}.get(name, 1)]]
    encoders: dict[str, Callable[[bytes, list[bytes]], bytes]] = {
        "dense": lambda ours, theirs: dense.encoded(ours, dense.shuffle_width(dtype)),
        "delta": lambda ours, theirs: delta.encoded(ours, theirs[0], dtype),
        "sparse": lambda ours, theirs: sparse.encoded(ours, theirs[0], dtype),
        "blend": lambda ours, theirs: blend.encoded(ours, theirs, dtype, [0.75, 0.25]),
    }
    cut = zip(*(pieces(one, dtype, shape) for one in (raw, *others)), strict=True)
    oids = tuple(objects.write(encoders[name](ours, theirs[: len(bases)])) for ours, *theirs in cut)
    assert len(oids) > 1 or not several_chunks or len(raw) <= 1000
    recipe = Recipe(blake3(raw).hexdigest(), name, oids, tuple(base.digest for base in bases))
    chain = chains.chain({one.digest: one for one in (recipe, *bases)}, recipe.digest)
    assert b"".join(chains.chunks(chain, "a", objects)) == raw


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["low-rank", "ia3"])
def test_what_an_update_gives_comes_back_and_is_what_float64_says(name: str, dtype: str, tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    raw = patterns(dtype).tobytes()
    shape = (len(raw) // DTYPES[dtype].itemsize // 2, 2)
    before = Tensor("a", dtype, shape, blake3(raw).hexdigest())
    base = stored(raw, dtype, shape, store.objects)
    vector = Factor("F64", shape[0], 1, numpy.full(shape[0], 1.5).tobytes())
    right = Factor("F64", 1, 2, numpy.array([2e-3, 0.0]).tobytes())
    update = LowRank(vector, right, 1.0) if name == "low-rank" else Scaled(vector)
    recipe, _ = changed(before, {base.digest: base}, update, store)
    assert recipe.encoding == name
    found = b"".join(chains.chunks([recipe, base], "a", store.objects))
    values = widened(raw, dtype).reshape(shape)
    with numpy.errstate(all="ignore"):
        wanted = values + numpy.array([3e-3, 0.0]) if name == "low-rank" else values * 1.5
    assert found == rounded(wanted.reshape(-1), dtype)


def test_no_encoding_is_left_out() -> None:
    assert {"dense", "delta", "sparse", "blend", "low-rank", "ia3"} == MODULES.keys()
