"""Tensors, pairs and reports for tests of pure functions, and small models in real repositories."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

Weights = dict[str, NDArray[numpy.float32]]


@pytest.fixture
def weights() -> Weights:
    """Four layers of two weights each and a head, always the same."""
    random = numpy.random.default_rng(0)
    names = [f"layer.{i}.{part}.weight" for i in range(4) for part in ("query", "output")]
    return {name: random.standard_normal((16, 8)).astype(numpy.float32) for name in (*names, "head.weight")}


@pytest.fixture
def commit(git: Callable[..., str]) -> Callable[..., None]:
    """``commit(tensors, "a message")`` commits them as ``model.safetensors`` and all else that changed."""

    def run(tensors: Weights, message: str = "a commit", **metadata: str) -> None:
        save_file(tensors, "model.safetensors", metadata=metadata or None)
        git("add", "--all")
        git("commit", "--quiet", "--message", message)

    return run
