"""The largest of many values, found without sorting or holding them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies import selection
from strategies.pieces import values_of
from strategies.selection import cut
from strategies.selection import largest
from strategies.selection import order_statistic
from strategies.sparsification import trimmed


def largest_by_sorting(values: np.ndarray, count: int) -> np.ndarray:
    """A mask of the largest; of equal values the first ones."""
    mask = np.zeros(values.size, bool)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


@given(st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 1e-45, 3e38]), min_size=1, max_size=60), st.integers(0, 60))
def test_the_largest_are_those_of_a_stable_sort(values: list[float], count: int) -> None:
    array = np.array(values, np.float32)
    count = min(count, len(values))
    found = largest(torch.from_numpy(array), count).numpy()
    expected = largest_by_sorting(array, count)
    # among zeros it does not matter which are kept
    assert (found[array > 0] == expected[array > 0]).all()


@pytest.mark.parametrize("share", [0.0, 1e-5, 0.1, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("kind", ["even", "sorted", "many equal", "two scales"])
def test_many_values_give_what_sorting_gives(kind: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_SAMPLE", 256)
    monkeypatch.setattr(selection, "_MARGIN", 32)
    random = np.random.default_rng(1)
    values: np.ndarray = np.abs(random.standard_normal(50_000)).astype(np.float32)
    if kind == "sorted":
        values.sort()
    if kind == "many equal":
        values = np.ceil(values * 4) / 4
    if kind == "two scales":
        values[:25_000] *= 1e-4
    count = int(share * values.size)
    assert (largest(torch.from_numpy(values), count).numpy() == largest_by_sorting(values, count)).all()
    index = min(count, values.size - 1)
    assert order_statistic(torch.from_numpy(values), index) == np.sort(values)[index]


@given(st.integers(0, 999), st.integers(1, 1000), st.floats(0, 1))
def test_slices_are_trimmed_as_the_whole_is(seed: int, length: int, share: float) -> None:
    change = torch.from_numpy(np.random.default_rng(seed).integers(-5, 6, 1000).astype(np.float32))
    found = cut(values_of(change.abs()), int(share * 1000))
    whole = trimmed(change, found, 0)
    parts = [trimmed(change[start : start + length], found, start) for start in range(0, 1000, length)]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(whole, torch.where(largest(change.abs(), int(share * 1000)), change, 0.0))


def test_nan_counts_as_the_largest() -> None:
    values = torch.tensor([1.0, math.nan, 3.0, 2.0])
    assert trimmed(values, cut(values_of(values.abs()), 2), 0).isfinite().tolist() == [True, False, True, True]
    assert trimmed(values, cut(values_of(values.abs()), 1), 0).nan_to_num(nan=9).tolist() == [0, 9, 0, 0]
    assert trimmed(values, cut(values_of(values.abs()), 2), 0)[2] == 3
