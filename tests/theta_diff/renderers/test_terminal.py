from __future__ import annotations

import pytest

from theta_checkpoint.printable import percent
from theta_checkpoint.printable import printable
from theta_diff.change import Change
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.compare import ValueChange
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.terminal import lines
from theta_diff.report import Report
from theta_diff.wording import cosine_text
from theta_diff.wording import summary


def tensor(name: str, dtype: str = "F32", shape: tuple[int, ...] = (768, 768)) -> NamedTensor:
    return NamedTensor(name, dtype, shape, name.ljust(64, "0"))


def pair(name: str, dtype: str = "F32") -> Pair:
    return Pair(tensor(name), NamedTensor(name, dtype, (768, 768), "1" * 64))


def shown(comparison: Comparison, changes: dict[str, Change] | None = None) -> list[str]:
    return list(lines(Report("a", "b", comparison, changes or {}), Palette()))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1e-9, "< 0.0001 %"),
        (0.000123, "0.012 %"),
        (0.0123, "1.2 %"),
        (0.5, "50 %"),
        (1.234, "123 %"),
        (25, "25 times"),
    ],
)
def test_a_share_has_two_digits(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("cosine", "text"),
    [(1.0, "1"), (0.5, "0.50"), (0.99923, "0.99923"), (-1.0, "-1"), (0.0, "0.00"), (-0.25, "-0.25"), (-4e-4, "0.00")],
)
def test_a_cosine_has_the_digits_that_matter(cosine: float, text: str) -> None:
    assert cosine_text(cosine) == text


def test_the_summary_counts_groups_and_parameters() -> None:
    comparison = Comparison(
        added=(tensor("new"),), modified=(pair("x"),), same=(tensor("s"),) * 190, parameters=109_500_000
    )
    assert summary(comparison) == (
        "1 group modified, 1 added, 190 unchanged; 589.8 k of 109.5 M parameters in modified groups"
    )


def test_nothing_changed() -> None:
    assert shown(Comparison(same=(tensor("s"),) * 3)) == ["no difference"]


def test_only_other_bytes_changed() -> None:
    assert shown(Comparison(same=(tensor("s"),) * 3, other_bytes=True)) == [
        "every group and value is equal; only how the file stores them differs"
    ]


def test_values_that_changed_came_and_went() -> None:
    comparison = Comparison(
        values=(ValueChange("e", "3", "4"), ValueChange("n", None, "1"), ValueChange("o", "0", None))
    )
    assert shown(comparison)[:3] == ["~ e  3 -> 4", "+ n  1", "- o  0"]


def test_like_values_are_folded() -> None:
    values = tuple(ValueChange(f"state/{i}/step", "10", "20") for i in range(5))
    assert shown(Comparison(values=values))[0] == "~ state/{0..4}/step  10 -> 20  (5 values)"


def test_digests_in_values_are_cut_short() -> None:
    comparison = Comparison(values=(ValueChange("h", f"list[2] blake3:{'a' * 64}", f"list[3] blake3:{'b' * 64}"),))
    assert shown(comparison)[0] == "~ h  list[2] blake3:aaaaaaaaaa -> list[3] blake3:bbbbbbbbbb"


def test_an_estimate_is_marked() -> None:
    (row, _) = shown(Comparison(modified=(pair("w"),)), {"w": Change(0.012, 0.99987, estimated=True)})
    assert row == "~ w  F32[768,768]  ███▊    change ≈ 1.2 %  cosine ≈ 0.99987"


def test_folded_rows_show_the_span() -> None:
    comparison = Comparison(modified=(pair("l.0.w"), pair("l.1.w")))
    (row, _) = shown(comparison, {"l.0.w": Change(0.01, 0.9, 1.0), "l.1.w": Change(0.5, 0.8, 0.25)})
    assert row == "~ l.{0..1}.w  F32[768,768]  █████▋  change 1.0 % … 50 %  cosine 0.80 … 0.90  max |Δ| 1  (2 groups)"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 60 columns."""
    monkeypatch.setenv("COLUMNS", "60")


def test_a_narrow_terminal_is_not_told_what_says_least(narrow: None) -> None:
    comparison = Comparison(modified=(pair("l.0.w"), pair("l.1.w")))
    (row, _) = shown(comparison, {"l.0.w": Change(0.01, 0.9, 1.0), "l.1.w": Change(0.5, 0.8, 0.25)})
    assert row == "~ l.{0..1}.w  F32[768,768]  █████▋  change 1.0 % … 50 %"


def test_an_alarm_is_told_however_narrow_the_terminal(narrow: None) -> None:
    (row, _) = shown(Comparison(modified=(pair("w" * 50),)), {"w" * 50: Change(0.01, nans=(0, 3))})
    assert row.endswith("NaN: 0 -> 3")


def test_long_names_become_a_tree_in_a_narrow_terminal(narrow: None) -> None:
    names = [f"encoder.layer.0.attention.{part}.weight" for part in ("key", "query")]
    rows = shown(Comparison(modified=tuple(map(pair, names))), {name: Change(0.01) for name in names})
    assert rows[:3] == [
        "  encoder.layer.0.attention.",
        "~   key.weight    F32[768,768]  ███▋    change 1.0 %",
        "~   query.weight  F32[768,768]  ███▋    change 1.0 %",
    ]


def test_the_summary_tells_how_far_all_weights_moved_together() -> None:
    comparison = Comparison(modified=(pair("v"), pair("w")))
    changes = {"v": Change(0.75, distance=3.0, norm=4.0), "w": Change(4 / 3, distance=4.0, norm=3.0)}
    assert shown(comparison, changes)[-1].endswith("in modified groups, which changed by 100 % together")
    del changes["v"]
    assert shown(comparison, changes)[-1].endswith("in modified groups")


def test_a_group_with_nan_stands_alone() -> None:
    comparison = Comparison(modified=(pair("l.0.w"), pair("l.1.w")))
    rows = shown(comparison, {"l.0.w": Change(0.01), "l.1.w": Change(0.01, nans=(0, 3))})[:2]
    assert rows[0].startswith("~ l.0.w")
    assert rows[1].endswith("NaN: 0 -> 3")


def test_ties_are_told() -> None:
    rows = shown(Comparison(tied=(("head", "embed"),), untied=(("x", "y"),)))
    assert rows[:2] == ["= head  tied to embed", "≠ x  no longer tied to y"]


def test_a_change_from_all_zeros_is_said_in_words() -> None:
    (row, _) = shown(Comparison(modified=(pair("w"),)), {"w": Change(from_zero=True)})
    assert "change from all zeros" in row


def test_nothing_a_terminal_obeys_is_printed() -> None:
    assert printable("a\x1b[1m\n\x00é") == "a\\x1b[1m\\n\\x00é"
