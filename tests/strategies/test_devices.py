"""Strategies compute where their tensors are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from strategies.apply import merged
from strategies.apply import same_bits
from strategies.contract import Context
from strategies.contract import Strategy
from strategies.given_options import parse_options
from strategies.survey import surveyed
from tests.strategies.devices import DEVICE
from tests.strategies.devices import OnDevice
from tests.strategies.devices import Pretended
from tests.strategies.test_laws import ALL
from tests.strategies.test_laws import CASES
from tests.strategies.test_laws import side_data_for
from tests.strategies.test_laws import versions

OTHERS: list[tuple[Strategy, dict[str, Any]]] = [
    (each, {}) for each in ALL if all(each is not strategy for strategy, _ in CASES)
]
every_strategy = pytest.mark.parametrize(
    ("strategy", "given_options"),
    CASES + OTHERS,
    ids=[" ".join([s.name, *(f"{k}={v}" for k, v in o.items())]) for s, o in CASES + OTHERS],
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Of the remarks that small random tensors bring about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def merge(strategy: Strategy, given_options: dict[str, Any], *given: Tensor, side_data: Any) -> Tensor:
    options = parse_options(strategy, {**given_options, "shortcuts": False})
    base, *sides = given
    start = Context("block.0.weight", side_data=side_data)
    statistics = surveyed(strategy, options, lambda: [(start, base, sides)])
    return merged(strategy, base, sides, options, replace(start, statistics=statistics))


@every_strategy
@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        *((torch.float32, shape) for shape in [(), (7,), (6, 8), (4, 3, 2, 2)]),
        *((dtype, (6, 8)) for dtype in [torch.float64, torch.bfloat16]),  # converted before and after, in any shape
    ],
)
def test_nothing_is_computed_elsewhere(
    strategy: Strategy, given_options: dict[str, Any], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    count = 1 if strategy.sides[1] == 1 else 2
    given = [each.to(dtype) for each in versions(5, shape, count)]
    data = [side_data_for(strategy, side, i) for i, side in enumerate(given[1:])]
    here = merge(strategy, given_options, *given, side_data=tuple(data))
    with Pretended():
        placed = tuple(None if each is None else OnDevice(each) for each in data)
        there = merge(strategy, given_options, *map(OnDevice, given), side_data=placed)
    assert isinstance(there, OnDevice)
    assert there.device == DEVICE
    assert same_bits(there.held, here)


def test_the_pretended_device_refuses_what_a_real_one_does() -> None:
    here, there = torch.ones(3), OnDevice(torch.ones(3))
    for mixes in (torch.add, torch.Tensor.mul_, torch.minimum):
        with pytest.raises(RuntimeError, match="the same device"):
            mixes(there, here)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    with Pretended():
        assert torch.zeros(2, device=DEVICE).device == DEVICE
        assert here.to(DEVICE).device == DEVICE
    assert (there + torch.tensor(1.0)).cpu().tolist() == [2, 2, 2]
