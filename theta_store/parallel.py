"""Work on many items on all cores, the results in the items' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from theta_store.chunks import WORKERS

_BATCH = 1 << 20
"""bytes from which on a batch is closed"""
_ITEM = 1 << 10
"""bytes that an item counts for besides its own"""

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``map(function, items)`` in order, computed a few items ahead: memory stays bounded."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > WORKERS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def mapped(
    function: Callable[[Item], Result], items: Iterable[Item], length: Callable[[Item], int]
) -> Iterator[Result]:
    """``map(function, items)`` in order; items of a small ``length`` in bytes are handed to a thread many at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for results in pool.map(lambda batch: [function(item) for item in batch], batches(items, length)):
            yield from results


def batches(items: Iterable[Item], length: Callable[[Item], int]) -> Iterator[list[Item]]:
    """The items in order, as many together as it takes to be worth a thread's while."""
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += length(item) + _ITEM
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
