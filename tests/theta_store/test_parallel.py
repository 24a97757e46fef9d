from __future__ import annotations

import pytest

from theta_store.parallel import batches
from theta_store.parallel import mapped


def itself(number: int) -> int:
    return number


def test_results_come_in_the_order_of_the_items_whatever_their_lengths() -> None:
    lengths = [5, 1 << 24, 0, 1 << 20, *range(3000)]
    assert list(mapped(str, lengths, itself)) == list(map(str, lengths))


def test_small_items_share_a_batch_and_large_ones_have_one_each() -> None:
    assert [len(batch) for batch in batches([1 << 24, 1 << 24, *[0] * 1500], itself)] == [1, 1, 1024, 476]
    assert list(batches([], itself)) == []


def test_an_error_of_one_item_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(mapped(lambda number: 1 // number, [1, 0, 2], itself))
