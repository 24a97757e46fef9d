from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy
import pytest
from numpy.typing import NDArray

from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.statistics import Collector
from theta_diff.verdict import verdict

Array = NDArray[Any]
RANDOM = numpy.random.default_rng(3)
W = (RANDOM.standard_normal((400, 200)) * 0.02).astype(numpy.float32)
DTYPE_OF = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


def said(old: Array, new: Array) -> str:
    dtypes = DTYPE_OF[old.dtype.name], DTYPE_OF[new.dtype.name]
    collector = Collector(*dtypes, new.shape)
    collector.update(old.reshape(-1), new.reshape(-1))
    pair = Pair(NamedTensor("w", dtypes[0], old.shape, "1"), NamedTensor("w", dtypes[1], new.shape, "2"))
    return verdict(pair, collector.statistics())


def low_rank(rank: int) -> Array:
    factors = RANDOM.standard_normal((400, rank)), RANDOM.standard_normal((rank, 200))
    return (1e-3 * factors[0] @ factors[1]).astype(numpy.float32)


def with_rows(value: float, rows: slice) -> Array:
    new = W.copy()
    new[rows] = value
    return new


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (W + low_rank(1), "rank-1 update"),
        (W + low_rank(8), "rank-8 update"),
        (W + low_rank(64), "rank-64 update"),
        (W + (1e-3 * RANDOM.standard_normal(W.shape)).astype(numpy.float32), ""),
        (with_rows(0.1, slice(10, 12)), "2 of 400 rows"),
        (with_rows(0.0, slice(0, 64)), "64 rows became all zeros"),
        (W + numpy.float32(0.5), "constant shift of +0.5"),
        (W * numpy.float32(0.9), "scaled by 0.9"),
        (numpy.nextafter(W, numpy.float32(1)), "only noise: at most 1 ulp"),
        (numpy.zeros_like(W), "now all zeros"),
        (W.astype(ml_dtypes.bfloat16), "cast to BF16, equal after rounding"),
        (W.astype(numpy.float16), "cast to F16, equal after rounding"),
        (W.astype(numpy.float64), "cast to F64, same values"),
        ((W * 2).astype(ml_dtypes.bfloat16), "cast to BF16 and changed: scaled by 2"),
        (W.astype(ml_dtypes.bfloat16).astype(numpy.float32), "rounded to BF16"),
        (W.astype(numpy.float16).astype(numpy.float32), "rounded to F16"),
        (W.copy(), "same values, stored in another order"),
    ],
)
def test_a_change_is_put_in_words(new: Array, words: str) -> None:
    assert said(W, new) == words


def test_a_few_elements() -> None:
    new = W.copy()
    new[::2, 0] += 1
    assert said(W.reshape(-1), new.reshape(-1)) == "200 of 80000 elements"


def test_values_that_became_nan() -> None:
    new = W.copy()
    new[1, 1] = math.nan
    assert said(W, new) == "1 of 80000 elements, none of them finite"


def test_a_counter_has_nothing_special() -> None:
    assert said(numpy.array(3, numpy.int64), numpy.array(4, numpy.int64)) == ""
