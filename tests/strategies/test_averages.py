from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strategies.contract import BadOption
from strategies.contract import CannotMerge

Array = np.ndarray[Any, np.dtype[Any]]
Merge = Callable[..., Array]
Versions = tuple[Array, Array, Array]


def close(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_average_is_the_mean(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    close(merge("average", base, ours, theirs), (ours + theirs) / 2)


def test_average_needs_no_base(merge: Merge, versions: Versions) -> None:
    _, ours, theirs = versions
    close(merge("average", None, ours, theirs), (ours + theirs) / 2)


def test_weights_count_ours_first(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    close(merge("average", base, ours, theirs, weights="0.7,0.3"), 0.7 * ours + 0.3 * theirs)


def test_weights_are_divided_by_their_sum(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    close(merge("average", base, ours, theirs, weights="3,1"), 0.75 * ours + 0.25 * theirs)


def test_without_normalize_weights_stand(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    close(merge("average", base, ours, theirs, weights="2,1", normalize=False), 2 * ours + theirs)


def test_a_weight_of_zero_is_a_weight(merge: Merge, versions: Versions) -> None:
    base, ours, theirs = versions
    np.testing.assert_array_equal(merge("average", base, ours, theirs, weights="0,1"), theirs)


def test_three_sides_make_a_soup(merge: Merge, make_versions: Callable[..., tuple[Array, ...]]) -> None:
    base, a, b, c = make_versions((7,), count=3)
    close(merge("average", base, a, b, c), (a + b + c) / 3)


@pytest.mark.parametrize("weights", ["0.7,0.3,0.1", "1,1,1", "0.1,0.7,-0.3"])
def test_values_on_which_all_sides_agree_keep_their_bits(merge: Merge, weights: str) -> None:
    random = np.random.default_rng(2)
    agreed = random.normal(size=10_000).astype(np.float32)
    sides = [np.append(agreed, np.float32(i)) for i in range(3)]
    np.testing.assert_array_equal(merge("average", None, *sides, weights=weights)[:-1], agreed)


@pytest.mark.parametrize("weights", ["1,-1", "0,0", "0.1,-0.1"])
def test_weights_that_cancel_are_an_error(merge: Merge, versions: Versions, weights: str) -> None:
    with pytest.raises(BadOption, match=r"'average'.*'weights'.*sum to 0"):
        merge("average", *versions, weights=weights)


def test_passthrough_is_a_copy(merge: Merge, versions: Versions) -> None:
    np.testing.assert_array_equal(merge("passthrough", versions[0], versions[1]), versions[1])


def test_passthrough_scales(merge: Merge, versions: Versions) -> None:
    close(merge("passthrough", versions[0], versions[1], scale=0.5), versions[1] / 2)


# Fisher


@pytest.fixture
def fishers() -> tuple[Array, Array]:
    random = np.random.default_rng(7)
    return random.exponential(size=(12, 20)) ** 2, random.exponential(size=(12, 20)) ** 2


def test_fisher_weighs_every_value(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    base, ours, theirs = versions
    f, g = fishers
    expected = (f * ours + g * theirs) / (f + g)
    close(merge("fisher", base, ours, theirs, side_data=fishers, floor=0, normalize="none"), expected)


def test_fisher_takes_side_weights(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    base, ours, theirs = versions
    f, g = fishers
    expected = (3 * f * ours + g * theirs) / (3 * f + g)
    close(merge("fisher", base, ours, theirs, side_data=fishers, floor=0, weights="3,1", normalize="none"), expected)


@pytest.mark.parametrize("normalize", ["tensor", "model"])
def test_fisher_divides_by_norms(
    merge: Merge, versions: Versions, fishers: tuple[Array, Array], normalize: str
) -> None:
    base, ours, theirs = versions
    f, g = (each / np.linalg.norm(each) for each in fishers)
    expected = (f * ours + g * theirs) / (f + g)
    scaled = (fishers[0] * 1000, fishers[1])
    close(merge("fisher", base, ours, theirs, side_data=scaled, floor=0, normalize=normalize), expected)


def test_fisher_floor_is_relative_to_the_mean(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    base, ours, theirs = versions
    floor = 0.1 * np.mean(fishers)
    f, g = (np.maximum(each, floor) for each in fishers)
    expected = (f * ours + g * theirs) / (f + g)
    close(merge("fisher", base, ours, theirs, side_data=fishers, floor=0.1, normalize="none"), expected)
    tiny = (fishers[0] * 1e-20, fishers[1] * 1e-20)
    close(merge("fisher", base, ours, theirs, side_data=tiny, floor=0.1, normalize="none"), expected)


def test_fisher_floor_in_raw_units_as_published(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    base, ours, theirs = versions
    f = np.maximum(fishers[0], 0.5)
    expected = (f * ours + fishers[1] * theirs) / (f + fishers[1])
    close(
        merge(
            "fisher", base, ours, theirs, side_data=fishers, floor=0.5, relative=False, favor="ours", normalize="none"
        ),
        expected,
    )


def test_fisher_without_information_is_the_mean(merge: Merge, versions: Versions) -> None:
    nothing = np.zeros((12, 20))
    close(merge("fisher", *versions, side_data=(nothing, nothing)), (versions[1] + versions[2]) / 2)


def test_a_missing_fisher_says_how_to_make_one(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    with pytest.raises(CannotMerge, match=r"layer\.0\.weight.*theirs.*diagonal_fisher.*fisher\.safetensors"):
        merge("fisher", *versions, side_data=(fishers[0], None), normalize="none")


def test_a_negative_fisher_is_refused(merge: Merge, versions: Versions, fishers: tuple[Array, Array]) -> None:
    with pytest.raises(CannotMerge, match="negative"):
        merge("fisher", *versions, side_data=(fishers[0], -fishers[1]))


def test_a_fisher_of_another_size_names_both_shapes(merge: Merge, versions: Versions) -> None:
    with pytest.raises(CannotMerge, match=r"\[3\].*\[12, 20\]"):
        merge("fisher", *versions, side_data=(np.ones(3), np.ones(3)))


# RegMean


@pytest.fixture
def grams() -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    inputs = random.normal(size=(2, 200, 20)) * random.exponential(size=(2, 1, 20))
    return inputs[0].T @ inputs[0] / 200, inputs[1].T @ inputs[1] / 200


def shrunk(gram: Array, alpha: float) -> Array:
    return alpha * gram + (1 - alpha) * np.diag(np.diag(gram))


def test_regmean_solves_the_least_squares(merge: Merge, versions: Versions, grams: tuple[Array, Array]) -> None:
    base, ours, theirs = versions
    f, g = (shrunk(gram, 0.7) for gram in grams)
    expected = (ours @ f + theirs @ g) @ np.linalg.inv(f + g)
    close(merge("regmean", base, ours, theirs, side_data=grams, alpha=0.7, ridge=0), expected)


def test_regmean_keeps_ours_where_theirs_sees_no_input(
    merge: Merge, versions: Versions, grams: tuple[Array, Array]
) -> None:
    base, ours, theirs = versions
    close(merge("regmean", base, ours, theirs, side_data=(grams[0], grams[1] * 0), ridge=0), ours)


def test_regmean_of_transposed_layers(merge: Merge, versions: Versions, grams: tuple[Array, Array]) -> None:
    straight = merge("regmean", *versions, side_data=grams)
    flipped = [np.ascontiguousarray(version.T) for version in versions]
    close(merge("regmean", *flipped, side_data=grams, transposed=True).T, straight)


def test_regmean_of_a_group_without_grams_is_the_mean(merge: Merge, versions: Versions) -> None:
    close(merge("regmean", *versions, side_data=(None, None)), (versions[1] + versions[2]) / 2)


def test_regmean_without_any_grams_says_how_to_make_them(merge: Merge, versions: Versions) -> None:
    with pytest.raises(CannotMerge, match="input_grams"):
        merge("regmean", *versions)


def test_a_gram_of_the_wrong_side_is_refused(merge: Merge, versions: Versions) -> None:
    with pytest.raises(CannotMerge, match=r"\[12, 12\].*\[12, 20\].*transposed"):
        merge("regmean", *versions, side_data=(np.eye(12), np.eye(12)))


def test_a_singular_gram_without_ridge_is_named(merge: Merge, versions: Versions) -> None:
    nothing = np.zeros((20, 20))
    with pytest.raises(CannotMerge, match=r"layer\.0\.weight.*'regmean'"):
        merge("regmean", *versions, side_data=(nothing, nothing), ridge=0)
