from __future__ import annotations

import subprocess
import sys

import numpy
import pytest
from numcodecs import blosc

from theta_store.encodings import c_blosc
from theta_store.encodings import dense
from theta_store.objects import CorruptObject

RAW = bytes(range(256)) * 5000
DENSE = dense.encoded(RAW, 4)

RESTORES = """
import sys
from theta_store.encodings import dense
sys.stdout.buffer.write(dense.decoded(sys.stdin.buffer.read()))
assert "numpy" not in sys.modules and "numcodecs" not in sys.modules
"""


def test_values_stored_densely_are_restored_without_numpy() -> None:
    done = subprocess.run([sys.executable, "-c", RESTORES], input=DENSE, capture_output=True, check=True)
    assert done.stdout == RAW


@pytest.fixture(params=["exported", "hidden"])
def _c_functions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "hidden":
        monkeypatch.setattr(c_blosc, "_library", lambda: None)
    else:
        assert c_blosc._library()


pytestmark = pytest.mark.usefixtures("_c_functions")


@pytest.mark.parametrize("itemsize", [1, 2, 4, 8])
@pytest.mark.parametrize("raw", [b"", b"12345678", RAW])
def test_objects_are_those_that_numcodecs_makes(raw: bytes, itemsize: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blosc, "use_threads", False)  # threads leave their blocks in any order
    array = numpy.frombuffer(raw, f"V{itemsize}")
    assert dense.encoded(raw, itemsize) == blosc.compress(array, b"zstd", 1, blosc.SHUFFLE, dense.BLOCK)


@pytest.mark.parametrize("raw", [b"", b"12345678", RAW])
def test_raw_bytes_come_back(raw: bytes) -> None:
    data = dense.encoded(raw, 1)
    assert dense.decoded(data) == raw
    assert dense.integers(data).tobytes() == raw


def test_damage_is_an_error() -> None:
    damaged = DENSE[:16] + b"\xff" * 200 + DENSE[216:]
    with pytest.raises(CorruptObject, match="does not decode"):
        dense.decoded(damaged)
    with pytest.raises(CorruptObject, match="does not decode"):
        dense.integers(damaged)
