"""What holds for every strategy there is, whatever the tensors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from strategies import pieces as pieces_module
from strategies.apply import merged
from strategies.apply import same_bits
from strategies.apply import seen
from strategies.contract import CannotMerge
from strategies.contract import Context
from strategies.contract import Strategy
from strategies.given_options import options_of_sides
from strategies.given_options import parse_options
from strategies.registry import built_in_strategies
from strategies.survey import surveyed

ALL = built_in_strategies()
COMPUTING = [s for s in ALL if not s.selects and s.sides[1] != 1]
SHAPES = [(), (1,), (7,), (1, 1), (5, 1), (1, 6), (6, 8), (8, 3), (3, 2, 2), (4, 3, 2, 2)]
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "average": [{"weights": "0.7,0.3"}],
    "ties": [{"density": 0.4}, {"density": 0.4, "scope": "model"}, {"svc": True}, {"lines": True}],
    "dare-ties": [{"rescale": "l1"}],
    "breadcrumbs": [{"density": 0.5, "gamma": 0.1, "rescale": "l1"}],
    "slerp": [{"deltas": True, "t": 0.3}],
    "nuslerp": [{"flatten": False}, {"flatten": False, "row_wise": True, "angles": "input"}],
    "karcher": [{"deltas": True}],
    "sce": [{"select_topk": 0.5}],
    "ramplus": [{"scope": "tensor"}],
    "pcb": [{"scope": "tensor"}],
    "model-stock": [{"filter_wise": True}, {"filter_wise": True, "angles": "input"}],
    "fisher": [{"normalize": "model"}, {"normalize": "none"}],
    "tsv": [{"flatten": True, "svc": True}],
}
CASES: list[tuple[Strategy, dict[str, Any]]] = [
    (each, given_options) for each in COMPUTING for given_options in ({}, *VARIANTS.get(each.name, []))
]

every_case = pytest.mark.parametrize(
    ("strategy", "given_options"),
    CASES,
    ids=[" ".join([s.name, *(f"{k}={v}" for k, v in o.items())]) for s, o in CASES],
)
some_examples = settings(max_examples=12)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Karcher may warn about opposite directions, which small random tensors hold now and then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def versions(seed: int, shape: tuple[int, ...], count: int = 2, sparse: bool = False) -> tuple[Tensor, ...]:
    """Base and sides, float32; with ``sparse`` many values stay as they were."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(shape, generator=random)
    sides = [base + 0.25 * torch.randn(shape, generator=random) for _ in range(count)]
    if sparse:
        sides = [torch.where(torch.rand(shape, generator=random) < 0.5, side, base) for side in sides]
    return (base, *sides)


def side_data_for(strategy: Strategy, side: Tensor, index: int) -> Tensor | None:
    random = torch.Generator().manual_seed(100 + index)
    if strategy.side_data == "fisher":
        return torch.rand(side.shape, generator=random).square()
    if strategy.side_data == "gram" and side.ndim == 2:
        inputs = torch.randn((2 * side.shape[1], side.shape[1]), generator=random)
        return inputs.T @ inputs / len(inputs)
    return None


def merge(
    strategy: Strategy,
    given_options: dict[str, Any],
    base: Tensor,
    *sides: Tensor,
    order: Sequence[int] = (),
    **context: Any,
) -> Tensor:
    """The merge of one group that is a whole model, with side data made up where the strategy needs some."""
    options = parse_options(strategy, given_options)
    indices = order or range(len(sides))
    data = tuple(side_data_for(strategy, side, i) for i, side in zip(indices, sides, strict=True))
    start = Context("block.0.weight", side_data=data)
    statistics = surveyed(strategy, options, lambda: [(start, base, sides)])
    return merged(strategy, base, sides, options, replace(start, statistics=statistics))


def same(a: Tensor, b: Tensor) -> bool:
    return same_bits(a, b)


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES), dtype=st.sampled_from(FLOATS))
def test_dtype_and_shape_are_kept(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    base, ours, theirs = (each.to(dtype) for each in versions(seed, shape))
    result = merge(strategy, given_options, base, ours, theirs)
    assert (result.dtype, result.shape) == (dtype, base.shape)
    assert torch.isfinite(result.float()).all()


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES), dtype=st.sampled_from(FLOATS[2:]))
def test_small_floats_are_computed_in_float32_and_rounded_once(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    small = [each.to(dtype) for each in versions(seed, shape)]
    wide = [each.float() for each in small]
    assert same(merge(strategy, given_options, *small), merge(strategy, given_options, *wide).to(dtype))


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES))
def test_an_unchanged_side_is_neutral(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...]
) -> None:
    base, side = versions(seed, shape, count=1)
    assert same(merge(strategy, given_options, base, side, base.clone()), side)
    assert same(merge(strategy, given_options, base, base.clone(), side), side)
    assert same(merge(strategy, given_options, base, base.clone(), base.clone()), base)


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES))
def test_equal_sides_give_that_side(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...]
) -> None:
    base, side = versions(seed, shape, count=1)
    assert same(merge(strategy, given_options, base, side, side.clone()), side)


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES))
def test_an_unchanged_side_among_three_is_as_if_it_were_not_there(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...]
) -> None:
    if strategy.sides[1] == 2 or strategy.survey(parse_options(strategy, given_options)):
        return
    weights = {"weights": "0.7,0.3,9"} if "weights" in given_options else {}
    base, ours, theirs = versions(seed, shape)
    three = merge(strategy, given_options | weights, base, ours, theirs, base.clone())
    assert same(three, merge(strategy, given_options, base, ours, theirs))


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES))
def test_the_order_of_symmetric_sides_does_not_matter(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...]
) -> None:
    if not strategy.symmetric or {"weights", "t"} & given_options.keys():
        return
    base, ours, theirs = versions(seed, shape)
    if strategy.name == "karcher" and base.numel() == 1:
        return  # two numbers may be opposite directions, where karcher has to take a side's
    there = merge(strategy, given_options, base, ours, theirs)
    back = merge(strategy, given_options, base, theirs, ours, order=(1, 0))
    torch.testing.assert_close(there, back, rtol=1e-5, atol=1e-6)


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES))
def test_inputs_are_left_alone(
    strategy: Strategy, given_options: dict[str, Any], seed: int, shape: tuple[int, ...]
) -> None:
    given = [each.double() for each in versions(seed, shape)]
    before = [each.clone() for each in given]
    merge(strategy, given_options, *given)
    assert all(same(a, b) for a, b in zip(given, before, strict=True))


@every_case
@some_examples
@given(seed=st.integers(0, 10**6), pieces=st.lists(st.integers(1, 400), max_size=4))
def test_slices_give_the_same_bits(
    strategy: Strategy, given_options: dict[str, Any], seed: int, pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, ours, theirs = versions(seed, (20, 50), sparse=True)
    monkeypatch.setattr(pieces_module, "PIECE", 1 << 18)
    whole = merge(strategy, given_options, base, ours, theirs)
    monkeypatch.setattr(pieces_module, "PIECE", 96)
    assert same(merge(strategy, given_options, base, ours, theirs), whole)
    options = options_of_sides(strategy, parse_options(strategy, given_options), (0, 1), 2)
    if not strategy.elementwise(options):
        return
    group = Context("block.0.weight", sides=(0, 1))
    found = seen(strategy, base, (ours, theirs), options, group)
    statistics = surveyed(strategy, options, lambda: [(Context("block.0.weight"), base, (ours, theirs))])
    ends = sorted({0, 1000, *(min(sum(pieces[: i + 1]), 1000) for i in range(len(pieces)))})
    parts = []
    for start, stop in pairwise(ends):
        flat = [each.reshape(-1)[start:stop] for each in (base, ours, theirs)]
        place = replace(group, offset=start, total=1000, statistics=statistics, seen=found)
        parts.append(merged(strategy, flat[0], flat[1:], options, place))
    assert same(torch.cat(parts).reshape(20, 50), whole)


@every_case
def test_threads_do_not_matter(strategy: Strategy, given_options: dict[str, Any]) -> None:
    given = versions(3, (300, 450))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = merge(strategy, given_options, *given)
        torch.set_num_threads(4)
        assert same(merge(strategy, given_options, *given), alone)
    finally:
        torch.set_num_threads(threads)


@every_case
def test_the_order_of_groups_does_not_matter(strategy: Strategy, given_options: dict[str, Any]) -> None:
    options = parse_options(strategy, given_options)
    model = {f"block.{i}.weight": versions(i, (6, 8)) for i in range(4)}

    def contexts(names: list[str]) -> Iterator[tuple[Context, Tensor, Sequence[Tensor]]]:
        for name in names:
            base, *sides = model[name]
            data = tuple(side_data_for(strategy, side, i) for i, side in enumerate(sides))
            yield Context(name, side_data=data), base, sides

    def whole(names: list[str]) -> dict[str, Tensor]:
        statistics = surveyed(strategy, options, lambda: contexts(names))
        return {
            context.group: merged(strategy, base, sides, options, replace(context, statistics=statistics))
            for context, base, sides in contexts(names)
        }

    forth, back = whole(sorted(model)), whole(sorted(model, reverse=True))
    assert all(same(forth[name], back[name]) for name in model)


@every_case
def test_what_is_not_finite_is_refused_by_name(strategy: Strategy, given_options: dict[str, Any]) -> None:
    read = (1, 2) if strategy.ignores_base(parse_options(strategy, given_options)) else (0, 1, 2)
    for bad, where in product((float("nan"), float("inf"), -float("inf")), read):
        given = [each.clone() for each in versions(0, (6, 8))]
        given[where][1, 1] = bad
        with pytest.raises(CannotMerge, match=r"block\.0\.weight.*(NaN|infinity|too large)"):
            merge(strategy, given_options, *given)


@every_case
def test_base_matters_unless_the_strategy_says_that_it_ignores_it(
    strategy: Strategy, given_options: dict[str, Any]
) -> None:
    base, ours, theirs = versions(5, (6, 8))
    here, elsewhere = (merge(strategy, given_options, start, ours, theirs) for start in (base, 2 * base))
    assert same(here, elsewhere) == strategy.ignores_base(parse_options(strategy, given_options))


@every_case
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_base_that_is_ignored_needs_no_values(
    strategy: Strategy, given_options: dict[str, Any], dtype: torch.dtype
) -> None:
    options = parse_options(strategy, given_options)
    if not strategy.ignores_base(options):
        return
    base, *sides = versions(6, (6, 8))
    base = base.to(dtype)
    data = tuple(side_data_for(strategy, side, i) for i, side in enumerate(sides))
    context = Context("g", sides=(0, 1), side_data=data)

    def result(start: Tensor) -> Tensor:
        statistics = surveyed(strategy, options, lambda: [(context, start, sides)])
        return merged(strategy, start, sides, options, replace(context, statistics=statistics))

    assert result(base).dtype == dtype
    assert same(result(base), result(base.to("meta")))


@every_case
def test_what_is_not_finite_may_be_allowed(strategy: Strategy, given_options: dict[str, Any]) -> None:
    if strategy.name in {"tsv", "iso-c", "iso-cts", "wudi", "ace"} or "svc" in given_options:
        return
    base, ours, theirs = versions(0, (6, 8))
    ours[1, 1] = float("nan")
    result = merge(strategy, given_options | {"allow_nonfinite": True}, base, ours, theirs)
    assert result.shape == base.shape


@pytest.mark.parametrize("strategy", COMPUTING, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_integers_are_never_averaged(strategy: Strategy, dtype: torch.dtype) -> None:
    base, ours, theirs = (torch.tensor(values).to(dtype) for values in ([0, 0, 1], [0, 1, 1], [1, 0, 0]))
    with pytest.raises(CannotMerge, match=r"block\.0\.weight.*never averaged"):
        merge(strategy, {}, base, ours, theirs)
    assert same(merge(strategy, {}, base, ours, base), ours)


@pytest.mark.parametrize("strategy", COMPUTING, ids=lambda strategy: strategy.name)
def test_other_shapes_are_refused_by_name(strategy: Strategy) -> None:
    base, ours, theirs = torch.zeros(3, 4), torch.ones(3, 4), torch.ones(5, 4)
    with pytest.raises(CannotMerge, match=r"block\.0\.weight.*\[3, 4\] and \[5, 4\]"):
        merged(strategy, base, [ours, theirs], parse_options(strategy, {}), Context("block.0.weight"))


@pytest.mark.parametrize("strategy", COMPUTING, ids=lambda strategy: strategy.name)
def test_mixed_dtypes_are_computed_wide_and_given_back_as_base(strategy: Strategy) -> None:
    base, ours, theirs = versions(1, (6, 8))
    result = merge(strategy, {}, base.bfloat16(), ours.half(), theirs.bfloat16())
    assert result.dtype == torch.bfloat16
    assert same(
        result, merge(strategy, {}, base.bfloat16().float(), ours.half().float(), theirs.bfloat16().float()).bfloat16()
    )


@pytest.mark.parametrize("strategy", COMPUTING, ids=lambda strategy: strategy.name)
def test_empty_tensors_stay_empty(strategy: Strategy) -> None:
    for shape in ((0,), (3, 0), (0, 4, 2)):
        empty = torch.zeros(shape)
        assert same(merge(strategy, {}, empty, empty, empty), empty)


@every_case
def test_degenerate_inputs_give_finite_values(strategy: Strategy, given_options: dict[str, Any]) -> None:
    for shape in ((1,), (6,), (4, 5)):
        base, ours = versions(2, shape, count=1)
        zero = torch.zeros_like(base)
        for start, one, other in (
            (base, ours, 2 * base - ours),
            (base, ours, -ours),
            (zero, ours, zero),
            (zero, ours, -ours),
            (zero, ours * 1e-30, -ours),
            (base, ours, ours * (1 + 1e-6)),
        ):
            result = merge(strategy, given_options | {"shortcuts": False}, start, one, other)
            assert torch.isfinite(result).all()
            largest = max(each.abs().max().item() for each in (start, one, other))
            assert result.abs().max().item() <= 20 * largest + 1e-6


@every_case
def test_constant_tensors_merge(strategy: Strategy, given_options: dict[str, Any]) -> None:
    base = torch.ones(6, 8)
    assert torch.isfinite(merge(strategy, given_options, base, base * 2, base * 3)).all()


@pytest.mark.parametrize("strategy", [s for s in ALL if s.selects], ids=lambda strategy: strategy.name)
def test_what_only_selects_returns_its_version(strategy: Strategy) -> None:
    base, ours, theirs = torch.tensor([1]), torch.tensor([2, 3]), torch.tensor([True])
    expected = {"base": base, "ours": ours, "theirs": theirs}[strategy.selects or ""]
    assert merged(strategy, base, [ours, theirs], parse_options(strategy, {}), Context("g")) is expected


@pytest.mark.parametrize("strategy", [s for s in COMPUTING if not s.needs_base], ids=lambda strategy: strategy.name)
def test_two_additions_merge_without_base(strategy: Strategy) -> None:
    _, ours, theirs = versions(4, (6, 8))
    options = parse_options(strategy, {})
    data = tuple(side_data_for(strategy, side, i) for i, side in enumerate((ours, theirs)))
    context = Context("g", side_data=data)
    statistics = surveyed(strategy, options, lambda: [(context, None, [ours, theirs])])
    result = merged(strategy, None, [ours, theirs], options, replace(context, statistics=statistics))
    assert (result.dtype, result.shape) == (ours.dtype, ours.shape)


@pytest.mark.parametrize("strategy", [s for s in COMPUTING if s.needs_base], ids=lambda strategy: strategy.name)
def test_a_missing_base_is_named(strategy: Strategy) -> None:
    with pytest.raises(CannotMerge, match=rf"'g'.*'{strategy.name}' needs the common ancestor"):
        merged(strategy, None, [torch.ones(2), torch.zeros(2)], parse_options(strategy, {}), Context("g"))
