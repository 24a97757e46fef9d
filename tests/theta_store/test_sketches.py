from __future__ import annotations

import math

import ml_dtypes
import numpy
import pytest
from numpy.typing import DTypeLike

from theta_store.sketches import Sketch
from theta_store.sketches import Sketcher
from theta_store.sketches import changes_cosine
from theta_store.sketches import decoded
from theta_store.sketches import row

RANDOM = numpy.random.default_rng(0)


def sketched(values: object, dtype: str = "F32", cut: int = 1 << 20) -> Sketch:
    raw = numpy.asarray(values).tobytes()
    sketcher = Sketcher(dtype)
    for start in range(0, len(raw), cut):
        sketcher.update(raw[start : start + cut])
    return sketcher.sketch()


@pytest.mark.parametrize("count", [0, 1, 768, 16384, 16385, 200_000])
def test_a_sketch_does_not_depend_on_how_the_bytes_are_cut(count: int) -> None:
    values = RANDOM.standard_normal(count).astype("f4")
    whole = sketched(values)
    for cut in (4, 10_000, 65_536):
        if count > 20_000 and cut == 4:
            continue
        pieces = sketched(values, cut=cut)
        assert pieces.norm == pytest.approx(whole.norm, rel=1e-5)
        assert pieces.buckets == pytest.approx(whole.buckets, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(RANDOM.standard_normal(300_000) * 0.01, id="noise"),
        pytest.param(numpy.full(300_000, 0.01), id="a constant shift"),
        pytest.param(numpy.where(numpy.arange(300_000) % 768 == 5, 0.3, 0.0), id="one column"),
        pytest.param(numpy.where(numpy.arange(300_000) < 768, 0.3, 0.0), id="one row"),
    ],
)
def test_the_distance_of_two_sketches_estimates_the_distance_of_the_values(change: numpy.ndarray) -> None:
    values = RANDOM.standard_normal(300_000).astype("f4")
    changed = (values + change).astype("f4")
    exact = float(numpy.linalg.norm(changed.astype("f8") - values))
    assert sketched(values).distance(sketched(changed)) == pytest.approx(exact, rel=0.35)


@pytest.mark.parametrize("count", [1, 10, 64])
def test_the_distance_of_small_groups_is_exact(count: int) -> None:
    one, two = RANDOM.standard_normal((2, count)).astype("f4")
    assert sketched(one).distance(sketched(two)) == pytest.approx(float(numpy.linalg.norm(one - two)), rel=1e-4)


def test_the_distance_of_a_bias_is_estimated_like_any_other() -> None:
    errors = []
    for _ in range(50):
        one, two = RANDOM.standard_normal((2, 768)).astype("f4")
        errors.append(sketched(one).distance(sketched(two)) / float(numpy.linalg.norm(one - two)) - 1)
    assert float(numpy.std(errors)) < 0.15


def test_the_cosine_of_near_versions_is_close_because_norms_are_exact() -> None:
    values = RANDOM.standard_normal(100_000).astype("f4")
    changed = values + RANDOM.standard_normal(100_000).astype("f4") * numpy.float32(0.1)
    exact = float(values @ changed / numpy.linalg.norm(values) / numpy.linalg.norm(changed))
    assert sketched(values).cosine(sketched(changed)) == pytest.approx(exact, abs=0.003)


def test_three_sketches_tell_whether_two_changes_agree() -> None:
    base = RANDOM.standard_normal(100_000).astype("f4")
    update = RANDOM.standard_normal(100_000).astype("f4")
    there, same, back = (sketched(base + update * numpy.float32(scale)) for scale in (0.1, 0.2, -0.1))
    origin = sketched(base)
    assert changes_cosine(origin, there, same) == pytest.approx(1, abs=0.05)
    assert changes_cosine(origin, there, back) == pytest.approx(-1, abs=0.05)
    assert changes_cosine(origin, there, origin) is None


def test_nan_and_infinity_are_counted_and_do_not_hide_the_rest() -> None:
    values = RANDOM.standard_normal(5000).astype("f4")
    broken = values.copy()
    broken[:3] = [math.nan, math.inf, -math.inf]
    sketch = sketched(broken)
    assert (sketch.nans, sketch.infinities) == (1, 2)
    assert sketch.norm == pytest.approx(float(numpy.linalg.norm(values[3:])), rel=1e-6)


@pytest.mark.parametrize(
    ("dtype", "numpy_dtype"),
    [("BF16", ml_dtypes.bfloat16), ("F16", "f2"), ("F8_E4M3", ml_dtypes.float8_e4m3fn), ("F64", "f8"), ("C64", "c8")],
)
def test_every_kind_of_number_has_a_norm(dtype: str, numpy_dtype: DTypeLike) -> None:
    values = RANDOM.standard_normal(1000).astype(numpy_dtype)
    exact = float(numpy.linalg.norm(values.astype("c16")))
    assert sketched(values, dtype).norm == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("count", [10, 20_000])
def test_what_float32_cannot_hold_is_no_infinity_and_no_reason_to_claim_a_cosine(count: int) -> None:
    one, two = (sketched(RANDOM.standard_normal(count) * 1e200, "F64") for _ in range(2))
    assert (one.infinities, one.cosine(two)) == (0, None)
    one, two = (sketched((RANDOM.standard_normal(count) * 5e37).astype("f4")) for _ in range(2))
    assert (one.cosine(two) or 0) < 0.99


def test_rows_survive_their_encoding() -> None:
    sketch = sketched(RANDOM.standard_normal(100).astype("f4"))
    digest = "ab" * 32
    assert decoded(row(digest, sketch) + b"cut off") == {digest: sketch}


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "C128", "I64", "F8_E8M0", "F8_E4M3", "BOOL"])
@pytest.mark.parametrize("byte", [b"\xff", b"\x7e", b"\x01\xf0\x7f", b"\x7f\xef"])
def test_any_bits_have_a_sketch_without_a_warning(dtype: str, byte: bytes) -> None:
    """Signalling NaNs, numbers that float32 does not hold, sums of squares beyond it, booleans that are none."""
    sketcher = Sketcher(dtype)
    sketcher.update(byte * 48 * 16384)
    sketcher.update(byte * 16)
    sketch = sketcher.sketch()
    assert decoded(row("ab" * 32, sketch)).keys() == {"ab" * 32}
