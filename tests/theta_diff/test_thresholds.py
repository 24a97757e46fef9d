from __future__ import annotations

import pytest

from theta_diff.change import Change
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.report import Report
from theta_diff.thresholds import BadRule
from theta_diff.thresholds import offences
from theta_diff.thresholds import rule


def tensor(name: str, dtype: str = "F32", shape: tuple[int, ...] = (2,)) -> NamedTensor:
    return NamedTensor(name, dtype, shape, "0" * 64)


REPORT = Report(
    "a",
    "b",
    Comparison(
        added=(tensor("new"),),
        removed=(tensor("gone"),),
        renamed=(Pair(tensor("was"), tensor("is")),),
        modified=(
            Pair(tensor("emb.w"), tensor("emb.w")),
            Pair(tensor("head"), tensor("head", "F16")),
            Pair(tensor("big"), tensor("big", shape=(3,))),
            Pair(tensor("dark"), tensor("dark")),
        ),
    ),
    {
        "emb.w": Change(0.6, 0.8, 0.1, nans=(0, 2)),
        "head": Change(0.1, 0.99, 0.3, infinities=(1, 2)),
        "new": Change(nans=(0, 3)),
    },
)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("nan", ["emb.w NaN: 0 -> 2", "big nan unknown", "dark nan unknown", "new NaN: 0 -> 3"]),
        ("inf", ["head inf: 1 -> 2", "big inf unknown", "dark inf unknown"]),
        ("added", ["new added"]),
        ("removed", ["gone removed"]),
        ("renamed", ["was renamed", "is renamed"]),
        ("dtype", ["head F32[2] -> F16[2]"]),
        ("shape", ["big F32[2] -> F32[3]"]),
        ("relative_change>0.5", ["emb.w relative_change 0.6", "dark relative_change unknown"]),
        ("relative_change > 1e-3", ["emb.w relative_change", "head relative_change", "dark relative_change unknown"]),
        ("cosine<0.9", ["emb.w cosine 0.8", "dark cosine unknown"]),
        ("max_abs>0.2", ["head max_abs 0.3", "dark max_abs unknown"]),
        ("frozen:emb.*", ["emb.w modified"]),
        ("frozen:*e*", ["emb.w modified", "head modified", "new added", "gone removed"]),
    ],
)
def test_groups_that_break_a_rule_are_named(text: str, broken: list[str]) -> None:
    found = list(offences(rule(text), REPORT))
    assert len(found) == len(broken)
    for line, start in zip(found, broken, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    "text", ["", "nann", "relative_change", "relative_change>much", "frozen", "size>3", "cosine=1"]
)
def test_a_rule_that_nobody_can_check_is_refused(text: str) -> None:
    with pytest.raises(BadRule, match="the rules are"):
        rule(text)


def test_a_change_from_all_zeros_is_above_every_bound() -> None:
    pair = Pair(tensor("w"), tensor("w"))
    report = Report("a", "b", Comparison(modified=(pair,)), {"w": Change(from_zero=True)})
    assert list(offences(rule("relative_change>5"), report)) == ["w changed from all zeros"]
    assert list(offences(rule("relative_change<5"), report)) == []
