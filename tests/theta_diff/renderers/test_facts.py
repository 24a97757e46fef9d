from __future__ import annotations

from theta_diff.change import Change
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.renderers.facts import facts
from theta_diff.report import Report


def tensor(name: str, dtype: str = "F32") -> NamedTensor:
    return NamedTensor(name, dtype, (2,), "0" * 64)


def casts(names: str, new: str = "BF16") -> tuple[Pair, ...]:
    return tuple(Pair(tensor(name), tensor(name, new)) for name in names)


def said(comparison: Comparison, changes: dict[str, Change] | None = None) -> list[str]:
    return [fact.text for fact in facts(Report("a", "b", comparison, changes or {}))]


def test_a_cast_of_the_whole_model_is_one_fact() -> None:
    changes = {name: Change(0.001, estimated=True) for name in "abcd"}
    assert said(Comparison(modified=casts("abcd")), changes) == [
        "the whole model cast from F32 to BF16 (4 groups), change ≈ 0.10 %"
    ]


def test_a_cast_that_left_something_out_is_not_the_whole_model() -> None:
    assert said(Comparison(modified=casts("abcd"), same=(tensor("e"),))) == []
    assert said(Comparison(modified=casts("abcd"), same=(tensor("e", "I64"),))) != []


def test_what_also_changed_otherwise_stays_a_row() -> None:
    changes = {name: Change(0.001, estimated=True) for name in "abcd"} | {"b": Change(0.7), "c": Change(0, nans=(0, 1))}
    (fact,) = facts(Report("a", "b", Comparison(modified=casts("abcdef")), changes))
    assert fact.names == set("adef")
    assert fact.text.startswith("4 groups cast from F32 to BF16")


def renames(old: str, new: str) -> tuple[Pair, ...]:
    return tuple(Pair(tensor(old.format(i)), tensor(new.format(i))) for i in range(4))


def test_a_new_prefix_is_one_fact() -> None:
    assert said(Comparison(renamed=renames("l.{}.w", "module.l.{}.w"))) == ["4 groups gained the prefix module."]
    assert said(Comparison(renamed=renames("module.l.{}.w", "l.{}.w"))) == ["4 groups lost the prefix module."]
    assert said(Comparison(renamed=renames("bert.{}.w", "model.{}.w"))) == ["4 groups renamed: bert -> model"]


def test_of_two_groups_nothing_is_said() -> None:
    assert said(Comparison(modified=casts("ab"), renamed=renames("l{}", "m.l{}")[:2])) == []
