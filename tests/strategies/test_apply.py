from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from strategies.apply import changed_sides
from strategies.apply import merged
from strategies.apply import same_bits
from strategies.contract import BadOption
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import MergeError
from strategies.given_options import parse_options
from strategies.registry import strategy


def merge(name: str, base: Tensor | None, *sides: Tensor, **options: Any) -> Tensor:
    chosen = strategy(name)
    return merged(chosen, base, sides, parse_options(chosen, options), Context("head.bias"))


@pytest.mark.parametrize(
    ("base", "sides", "expected"),
    [
        ("a", "aa", ()),
        ("a", "ab", (1,)),
        ("a", "ba", (0,)),
        ("a", "bb", (0,)),
        ("a", "bc", (0, 1)),
        ("a", "abc", (1, 2)),
        ("a", "bab", (0,)),
        ("a", "aba", (1,)),
        ("a", "bbc", (0, 1, 2)),
        (None, "bb", (0,)),
        (None, "bc", (0, 1)),
    ],
)
def test_which_sides_still_count(base: str | None, sides: str, expected: tuple[int, ...]) -> None:
    assert changed_sides(base, sides) == expected


def test_settled_versions_come_back_as_they_are() -> None:
    base, side = torch.zeros(3), torch.ones(3)
    assert merge("average", base, base.clone(), side) is side
    assert merge("average", base, side, base.clone()) is side
    assert merge("average", base, side, side.clone()) is side


def test_shortcuts_may_be_turned_off() -> None:
    base, side = torch.zeros(3), torch.ones(3)
    assert merge("average", base, base, side, shortcuts=False).tolist() == [0.5, 0.5, 0.5]


def test_one_side_alone_is_computed() -> None:
    base, side = torch.zeros(2), torch.ones(2)
    assert merge("task-arithmetic", base, side, scale=0.5).tolist() == [0.5, 0.5]


def test_a_side_left_out_takes_its_weight_along() -> None:
    base, ours, theirs = torch.zeros(2), torch.full((2,), 1.0), torch.full((2,), 4.0)
    torch.testing.assert_close(merge("average", base, ours, base, theirs, weights="2,100,1"), torch.full((2,), 2.0))


def test_weights_that_cancel_once_a_side_is_left_out_are_an_error() -> None:
    base, ours, theirs = torch.zeros(2), torch.ones(2), torch.full((2,), 2.0)
    with pytest.raises(BadOption, match="sum to 0"):
        merge("average", base, ours, theirs, base, weights="1,-1,3")


def test_sides_are_compared_by_bits() -> None:
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert same_bits(torch.tensor([float("nan")]), torch.tensor([float("nan")]))
    assert not same_bits(torch.tensor([1.0]), torch.tensor([1]))
    assert not same_bits(torch.zeros(2, 3), torch.zeros(3, 2))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.complex64, torch.float8_e5m2])
def test_any_dtype_is_compared_by_bits(dtype: torch.dtype) -> None:
    a, b = torch.tensor([0, 1, 1]).to(dtype), torch.tensor([0, 1, 0]).to(dtype)
    assert same_bits(a, a.clone())
    assert not same_bits(a, b)


def test_a_nan_on_both_sides_and_base_is_no_conflict() -> None:
    base = torch.tensor([float("nan"), 1.0])
    assert merge("average", base, base.clone(), base.clone()) is base


def test_a_value_too_large_for_the_dtype_is_an_error() -> None:
    base, ours, theirs = (torch.tensor([value], dtype=torch.float16) for value in (0.0, 60000.0, 50000.0))
    with pytest.raises(CannotMerge, match=r"'head\.bias'.*'task-arithmetic' gives values too large for float16"):
        merge("task-arithmetic", base, ours, theirs)


def test_large_finite_values_pass() -> None:
    base, ours, theirs = (torch.full((5000,), value) for value in (0.0, 3e38, 2e38))
    assert torch.isfinite(merge("average", base, ours, theirs)).all()


def test_a_scalar_and_a_vector_of_one_go_together() -> None:
    assert merge("average", torch.tensor(0.0), torch.tensor([1.0]), torch.tensor(3.0)).tolist() == [2.0]


def test_the_output_has_the_dtype_of_base_or_ours() -> None:
    base, ours, theirs = torch.zeros(2), torch.ones(2).half(), torch.full((2,), 2.0).double()
    assert merge("average", base, ours, theirs).dtype == torch.float32
    assert merge("average", None, ours, theirs).dtype == torch.float16


def test_float64_is_computed_in_float64() -> None:
    ours, theirs = (torch.tensor([1.0 + step], dtype=torch.float64) for step in (2**-40, -(2**-40)))
    merged_value = merge("average", torch.zeros(1).double(), ours, theirs, weights="3,1")
    assert merged_value.item() == 1.0 + 2**-41


def test_transposed_memory_is_merged_by_place() -> None:
    base, ours, theirs = torch.zeros(3, 4), torch.arange(12.0).reshape(4, 3).T, torch.ones(3, 4)
    torch.testing.assert_close(merge("average", base, ours, theirs), (ours + theirs) / 2)


def test_complex_values_are_refused() -> None:
    base, ours, theirs = (torch.tensor([value], dtype=torch.complex64) for value in (0j, 1j, 2j))
    with pytest.raises(CannotMerge, match=r"'head\.bias': complex64 values are complex, and strategies merge real"):
        merge("average", base, ours, theirs)


def test_too_many_sides_are_an_error() -> None:
    with pytest.raises(MergeError, match="exactly 2 sides, not 3"):
        merge("slerp", torch.zeros(2), *torch.eye(3, 2))
