from __future__ import annotations

import pytest

from strategies.contract import MergeError
from tests.theta_merge.manifests import manifest
from tests.theta_merge.manifests import tensor
from theta_merge.choices import choice
from theta_merge.decide import decided_groups
from theta_merge.menu.session import Session
from theta_merge.menu.session import resumed
from theta_merge.menu.session import strategies_for
from theta_merge.recipe import parsed
from theta_merge.recipe import written

NAMES = ("encoder.a", "encoder.b", "head", "steps")
AVERAGE = choice("average", {"weights": "0.7,0.3"}, 2)
OURS = choice("take-ours", {}, 2)
THEIRS = choice("take-theirs", {}, 2)


@pytest.fixture
def session() -> Session:
    base, ours, theirs = (
        manifest({name: tensor(name, content + name, "I64" if name == "steps" else "F32") for name in NAMES})
        for content in ("0", "1", "2")
    )
    return Session(tuple(decided_groups(base, [ours, theirs])))


def settled(session: Session) -> dict[str, str]:
    return {name: one.strategy.name for name, one in session.choices.items()}


def test_choices_settle_one_group_or_all_that_match(session: Session) -> None:
    session = session.choose(["head"], OURS).choose_matching("encoder.*", AVERAGE)
    assert settled(session) == {"head": "take-ours", "encoder.a": "average", "encoder.b": "average"}
    assert [conflict.name for conflict in session.open] == ["steps"]
    assert session.progress == "3 / 4 settled"


def test_a_choice_leaves_out_the_groups_that_it_does_not_fit(session: Session) -> None:
    assert set(settled(session.choose_matching("*", AVERAGE))) == {"encoder.a", "encoder.b", "head"}
    with pytest.raises(MergeError, match="I64 values are never averaged"):
        session.choose(["steps"], AVERAGE)
    with pytest.raises(MergeError, match="no conflict has this name"):
        session.choose_matching("decoder.*", AVERAGE)


def test_undo_and_redo(session: Session) -> None:
    first = session.choose(["head"], OURS)
    second = first.choose_matching("*", THEIRS)
    assert second.undo().choices == first.choices
    assert second.undo().redo() == second
    assert second.undo().choose(["steps"], OURS).undone == ()
    with pytest.raises(MergeError, match="nothing to undo"):
        session.undo()
    with pytest.raises(MergeError, match="nothing to redo"):
        first.redo()


def test_a_choice_can_be_taken_back_for_some_groups(session: Session) -> None:
    session = session.choose_matching("*", OURS).choose(["head"], None)
    assert [conflict.name for conflict in session.open] == ["head"]


def test_the_recipe_gives_the_same_choices_again(session: Session) -> None:
    session = session.choose_matching("*", THEIRS).choose_matching("encoder.*", AVERAGE).choose(["encoder.b"], OURS)
    recipe = parsed(written(session.recipe()), "exported")
    again = recipe.choices("m.pt", NAMES, NAMES, 2)
    assert {name: str(one) for name, one in again.items()} == {name: str(one) for name, one in session.choices.items()}


def test_names_with_glob_characters_are_exported_literally() -> None:
    odd = "layers[0].{w}"
    base, ours, theirs = (manifest({odd: content, "layers0.w": content}) for content in "012")
    session = Session(tuple(decided_groups(base, [ours, theirs]))).choose([odd], OURS)
    again = parsed(written(session.recipe()), "exported").choices("m.pt", [odd, "layers0.w"], [odd, "layers0.w"], 2)
    assert list(again) == [odd]


def test_a_session_resumes(session: Session) -> None:
    assert resumed(session.conflicts, {"head": OURS, "gone": OURS}).choices == {"head": OURS}


def test_only_strategies_that_fit_are_offered(session: Session) -> None:
    head = [conflict for conflict in session.conflicts if conflict.name == "head"]
    assert {"take-ours", "average", "ties"} <= {strategy.name for strategy in strategies_for(head)}
    assert [strategy.name for strategy in strategies_for(session.conflicts)] == [
        "take-ours",
        "take-theirs",
        "take-base",
    ]


def test_products_are_offered_for_factors_of_any_rank_and_for_nothing_else(session: Session) -> None:
    name = "q.lora_A.weight"
    base, ours, theirs = (manifest({name: tensor(name, str(rank), shape=(rank, 3))}) for rank in (1, 2, 4))
    factors = Session(tuple(decided_groups(base, [ours, theirs])))
    offered = [strategy.name for strategy in strategies_for(factors.conflicts)]
    assert offered == ["take-ours", "take-theirs", "take-base", "lora"]
    assert "lora" not in {strategy.name for strategy in strategies_for(session.conflicts[:1])}
    assert settled(factors.choose([name], choice("lora", {}, 2))) == {name: "lora"}
