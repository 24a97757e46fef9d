"""What holds for the bits of every element of a changed tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
from numpy.typing import NDArray

from theta_checkpoint.dtypes import DTYPES
from theta_store.arrays import numpy_dtype

Array = NDArray[Any]
Check = Callable[[Array, Array], bool]

ULP = "ulp"
WIDENED = "widened"
ROUNDED = "rounded:"
_NARROW = ("BF16", "F16", "F8_E4M3", "F8_E5M2")
_FIRST = 1024
_FRACTION_BITS = {"F32": 23, "F16": 10, "BF16": 7, "F8_E4M3": 3, "F8_E4M3FNUZ": 3, "F8_E5M2": 2, "F8_E5M2FNUZ": 2}


def resolution(dtype: str) -> float:
    """The step from 1 to the next number of a type: relative distances below it may be rounding."""
    return 2.0 ** -_FRACTION_BITS.get(dtype, 52)


def is_cast(facts: frozenset[str]) -> bool:
    """Whether new is old, cast to another type and nothing else."""
    return any(fact == WIDENED or fact.startswith(ROUNDED) for fact in facts)


class BitFacts:
    """Facts that hold until a slice contradicts them: a fact that is gone costs nothing more.

    ``ulp``: versions are apart by at most one unit in the last place. ``rounded:DTYPE``: new is old rounded to
    DTYPE, whether stored as such or in a wider type. ``widened``: new is old, unchanged, in a wider type.
    """

    def __init__(self, old_dtype: str, new_dtype: str) -> None:
        self._checks = _candidates(old_dtype, new_dtype)

    @numpy.errstate(over="ignore", invalid="ignore")
    def update(self, old: Array, new: Array) -> None:
        """Take the next slice of both versions."""
        for fact, check in list(self._checks.items()):
            if not (check(old[:_FIRST], new[:_FIRST]) and check(old, new)):
                del self._checks[fact]

    def facts(self) -> frozenset[str]:
        """The facts that no slice contradicted."""
        return frozenset(self._checks)


def _candidates(old_dtype: str, new_dtype: str) -> dict[str, Check]:
    old, new = DTYPES[old_dtype], DTYPES[new_dtype]
    if old.kind != "float" or new.kind != "float":
        return {}
    if old == new:
        rounded = {name: _rounded(name) for name in _NARROW if DTYPES[name].itemsize < new.itemsize}
        return {ULP: _within_one_ulp} | {f"{ROUNDED}{name}": check for name, check in rounded.items()}
    if new.itemsize > old.itemsize:
        return {WIDENED: _widened}
    return {f"{ROUNDED}{new_dtype}": _rounded(new_dtype)}


def _within_one_ulp(old: Array, new: Array) -> bool:
    integers = numpy.dtype(f"i{old.dtype.itemsize}")
    steps = old.view(integers) - new.view(integers)
    return bool(((steps >= -1) & (steps <= 1)).all())


def _widened(old: Array, new: Array) -> bool:
    return numpy.array_equal(old.astype(new.dtype), new, equal_nan=True)


def _rounded(name: str) -> Check:
    def check(old: Array, new: Array) -> bool:
        rounded = old.astype(numpy_dtype(name))
        return numpy.array_equal(rounded.astype(numpy.float32), new.astype(numpy.float32), equal_nan=True)

    return check
