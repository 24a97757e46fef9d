"""A merge as one call: arrays in, array out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from strategies.apply import merged
from strategies.contract import Context
from strategies.given_options import parse_options
from strategies.registry import strategy
from strategies.survey import surveyed

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]


def merge_arrays(
    name: str, base: Array | None, *sides: Array, group: str = "layer.0.weight", side_data: Any = (), **options: Any
) -> Array:
    """The merge of float64 arrays by the strategy of this name, after a survey of this group alone."""
    chosen = strategy(name)
    parsed = parse_options(chosen, options)
    start = None if base is None else torch.from_numpy(base)
    ends = [torch.from_numpy(side) for side in sides]
    context = Context(group, side_data=tuple(None if each is None else torch.from_numpy(each) for each in side_data))
    statistics = surveyed(chosen, parsed, lambda: [(context, start, ends)])
    context = Context(group, statistics=statistics, side_data=context.side_data)
    return merged(chosen, start, ends, parsed, context).numpy()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads of torch's own only slow tensors of this size down, most of all beside other test processes."""
    torch.set_num_threads(1)


@pytest.fixture
def merge() -> Merge:
    """:func:`merge_arrays`."""
    return merge_arrays


@pytest.fixture
def versions() -> tuple[Array, Array, Array]:
    """Base, ours and theirs: a 12 x 20 matrix and two noisy fine-tunes of it, float64."""
    base, ours, theirs = some_versions((12, 20))
    return base, ours, theirs


def some_versions(shape: tuple[int, ...], count: int = 2, seed: int = 0, size: float = 0.1) -> tuple[Array, ...]:
    """Base and ``count`` sides that differ from it by about ``size``."""
    random = np.random.default_rng(seed)
    base = random.normal(size=shape)
    return (base, *(base + size * random.normal(size=shape) for _ in range(count)))


@pytest.fixture
def make_versions() -> Callable[..., tuple[Array, ...]]:
    """:func:`some_versions`."""
    return some_versions
