from __future__ import annotations

import numpy
import pytest
import tensorstore

from theta_store.encodings import dense
from theta_store.objects import CorruptObject

VALUES = numpy.random.default_rng(0).standard_normal(500_000).astype("f4")


@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16", "F8_E4M3", "C128", "BOOL"])
def test_any_bytes_come_back(dtype: str) -> None:
    raw = VALUES.tobytes()
    assert dense.decoded(dense.encoded(raw, dense.shuffle_width(dtype))) == raw


def test_the_same_values_always_make_the_same_object() -> None:
    assert dense.encoded(VALUES.tobytes(), 4) == dense.encoded(VALUES.tobytes(), 4)


def test_float_weights_shrink_to_the_entropy_of_their_exponents() -> None:
    assert len(dense.encoded(VALUES.tobytes(), 4)) < 0.86 * VALUES.nbytes


def test_any_zarr_reader_can_decode_an_object() -> None:
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {
            "name": "blosc",
            "configuration": {
                "cname": "zstd",
                "clevel": 1,
                "shuffle": "shuffle",
                "typesize": 4,
                "blocksize": dense.BLOCK,
            },
        },
    ]
    grid = {"name": "regular", "configuration": {"chunk_shape": [len(VALUES)]}}
    metadata = {"shape": [len(VALUES)], "data_type": "float32", "chunk_grid": grid, "codecs": codecs, "fill_value": 0}
    array = tensorstore.open({"driver": "zarr3", "kvstore": "memory://", "metadata": metadata}, create=True).result()
    assert array.kvstore is not None
    array.kvstore["c/0"] = dense.encoded(VALUES.tobytes(), 4)
    assert numpy.array_equal(array.read().result(), VALUES)


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
