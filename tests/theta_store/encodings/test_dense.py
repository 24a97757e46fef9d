from __future__ import annotations

from typing import Any

import numpy
import pytest
import tensorstore

from theta_store.encodings import dense
from theta_store.objects import CorruptObject

VALUES = numpy.random.default_rng(0).standard_normal(500_000).astype("f4")


LENGTHS = [0, 16, 2032, 2048, 2064, 3 << 14, dense.BLOCK - 16, dense.BLOCK, dense.BLOCK + 16, 2_000_000]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16", "F8_E4M3", "C128", "BOOL"])
def test_any_bytes_come_back(dtype: str, length: int) -> None:
    width = dense.shuffle_width(dtype)
    noise = numpy.random.default_rng(1).bytes(length)
    for raw in (VALUES.tobytes()[:length], noise, bytes(length), noise[:8] * (length // 8)):
        data = dense.encoded(raw, width)
        assert dense.decoded(data) == raw
        assert dense.integers(data).tobytes() == raw


def test_the_same_values_always_make_the_same_object() -> None:
    assert dense.encoded(VALUES.tobytes(), 4) == dense.encoded(VALUES.tobytes(), 4)


@pytest.mark.parametrize("count", [len(VALUES), 100_000, 4096])
def test_float_weights_shrink_to_the_entropy_of_their_exponents(count: int) -> None:
    assert len(dense.encoded(VALUES[:count].tobytes(), 4)) < 0.86 * 4 * count


def _read_by_tensorstore(data: bytes, shape: list[int], dtype: str, codecs: list[Any]) -> Any:
    grid = {"name": "regular", "configuration": {"chunk_shape": shape}}
    metadata = {"shape": shape, "data_type": dtype, "chunk_grid": grid, "codecs": codecs, "fill_value": 0}
    array = tensorstore.open({"driver": "zarr3", "kvstore": "memory://", "metadata": metadata}, create=True).result()
    assert array.kvstore is not None
    array.kvstore["/".join(["c", *("0" for _ in shape)])] = data
    return array.read().result()


def _blosc(shuffle: str, typesize: int) -> dict[str, Any]:
    settings = {"cname": "zstd", "clevel": 1, "shuffle": shuffle, "typesize": typesize, "blocksize": dense.BLOCK}
    return {"name": "blosc", "configuration": settings}


@pytest.mark.parametrize("count", [10, len(VALUES)])
def test_any_zarr_reader_can_decode_an_object(count: int) -> None:
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, _blosc("shuffle", 4)]
    data = dense.encoded(VALUES[:count].tobytes(), 4)
    assert numpy.array_equal(_read_by_tensorstore(data, [count], "float32", codecs), VALUES[:count])


def test_any_zarr_reader_can_decode_the_planes_of_a_small_object() -> None:
    few = VALUES[:10_001]
    transposed = {"name": "transpose", "configuration": {"order": [1, 0]}}
    codecs = [transposed, {"name": "bytes"}, _blosc("noshuffle", 1)]
    found = _read_by_tensorstore(dense.encoded(few.tobytes(), 4), [len(few), 4], "uint8", codecs)
    assert numpy.array_equal(found.view("<f4").reshape(-1), few)


def test_planes_of_another_width_than_the_bytes_have_are_refused() -> None:
    data = dense.encoded(VALUES[:10_001].tobytes(), 4)
    with pytest.raises(CorruptObject):
        dense.decoded(data[:3] + bytes([7]) + data[4:])


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "bomb"])
def test_an_object_that_lies_about_its_length_is_refused(damage: str) -> None:
    data = dense.encoded(VALUES.tobytes(), 4)
    damaged = {
        "empty": b"",
        "cut": data[:-1],
        "longer": data + b"\0",
        "bomb": data[:4] + (1 << 31).to_bytes(4, "little") + data[8:],
    }[damage]
    with pytest.raises(CorruptObject):
        dense.decoded(damaged)
