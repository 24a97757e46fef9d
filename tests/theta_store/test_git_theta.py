"""Reading the texts and objects of git-theta 0.2.0, made here by another writer than its own."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import numcodecs
import numpy as np
import pytest

from theta_store import git_theta
from theta_store.git_theta import NotReadable
from theta_store.git_theta import Parameter

OID = "ab" * 32


def zarr(array: np.ndarray) -> dict[str, bytes]:
    """A zarr v2 array in one chunk."""
    codec = numcodecs.Blosc("lz4")
    facts = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": [max(n, 1) for n in array.shape],
        "dtype": array.dtype.str,
    }
    rest = {"compressor": codec.get_config(), "fill_value": None, "order": "C", "filters": None}
    chunk = ".".join("0" for _ in array.shape) or "0"
    chunks = {chunk: codec.encode(np.ascontiguousarray(array))} if array.size else {}
    return {".zarray": json.dumps({**facts, **rest}).encode(), **chunks}


def packed(**parts: np.ndarray) -> bytes:
    return bytes(msgpack.packb({name: zarr(array) for name, array in parts.items()}))


def text(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree, indent=4).encode()


def leaf(kind: str, commit: str | None) -> dict[str, Any]:
    return {
        "tensor_metadata": {"shape": "(2,)", "dtype": "float32", "hash": [1, 2]},
        "lfs_metadata": {"version": "https://git-lfs.github.com/spec/v1", "oid": OID, "size": "12"},
        "theta_metadata": {"update_type": kind, "last_commit": commit},
    }


def test_a_text_names_parameters_by_their_path() -> None:
    found = git_theta.parameters(text({"a": {"b": leaf("dense", None)}, "c.d": leaf("sparse", "1" * 40)}))
    assert found == {
        "a/b": Parameter("dense", f"{OID}:12", None),
        "c.d": Parameter("sparse", f"{OID}:12", "1" * 40),
    }


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"theta 1\n",
        b'{"a": 1}',
        text({"a": 1}),
        text({"a": leaf("dense", None)})[:-9],
        text({"a": {**leaf("dense", None), "theta_metadata": {}}}),
    ],
)
def test_another_text_is_none_of_git_thetas(other: bytes) -> None:
    assert git_theta.parameters(other) is None


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u1", "?", "c8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_an_object_holds_arrays(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    (found,) = git_theta.parts(packed(parameter=array)).values()
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array)


def test_updates() -> None:
    base = np.array([[1, 2], [3, 4]], np.float32)
    two = np.full((2, 1), 2, np.float32)
    places, news = np.array([3, 0, 3]), np.array([1, 2, 4], np.float32)
    assert git_theta.values("dense", {"parameter": base}, None) is base
    assert git_theta.values("low-rank", {"R": two, "C": two.T}, base).tolist() == [[5, 6], [7, 8]]
    assert git_theta.values("low-rank", {"parameter": base}, base).tolist() == [[2, 4], [6, 8]]
    assert git_theta.values("ia3", {"ia3": two}, base).tolist() == [[2, 4], [6, 8]]
    assert git_theta.values("sparse", {"indices": places, "data": news}, base).tolist() == [[3, 2], [3, 9]]
    assert git_theta.values("ia3", {"ia3": two.astype("f8")}, base).dtype == np.float64


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81", packed(a=np.ones(3))[:-4], msgpack.packb({"a": {}}), b"\x01"])
def test_a_damaged_object_is_refused(data: bytes) -> None:
    with pytest.raises(NotReadable, match="does not decode"):
        git_theta.parts(data)


def test_an_update_that_does_not_fit_is_refused() -> None:
    base = np.ones((2, 2), np.float32)
    with pytest.raises(NotReadable, match="ia3"):
        git_theta.values("ia3", {"ia3": np.ones(3)}, base)
    with pytest.raises(NotReadable, match="plug-in"):
        git_theta.values("hadamard", {"x": base}, base)
