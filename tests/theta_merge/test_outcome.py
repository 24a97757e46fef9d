from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import pytest

from tests.theta_merge.manifests import manifest
from tests.theta_merge.manifests import tensor
from tests.theta_merge.manifests import versions
from theta_merge.choices import choice
from theta_merge.outcome import BASE
from theta_merge.outcome import Computed
from theta_merge.outcome import Outcome
from theta_merge.outcome import Taken
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome


def settled_by(
    strategy: str, found: Versions, options: Mapping[str, object] | None = None, preferred: int = 0
) -> Outcome:
    one = choice(strategy, options or {}, len(found.sides))
    return outcome(found, dict.fromkeys((conflict.name for conflict in found.conflicts), one), preferred)


def whys(found: Outcome) -> dict[str, str | None]:
    return {item.conflict.name: item.why for item in found.open}


def test_nothing_chosen_keeps_ours_and_merges_the_rest() -> None:
    found = outcome(
        versions(
            manifest({"a": "0", "b": "0", "c": "0"}),
            manifest({"a": "1", "b": "1", "c": "0"}),
            manifest({"a": "2", "b": "0", "c": "2"}),
        ),
        {},
    )
    assert {name: group.version for name, group in found.groups.items() if isinstance(group, Taken)} == {
        "a": 0,
        "b": 0,
        "c": 1,
    }
    assert whys(found) == {"a": None}


def test_strategies_that_select_take_that_version() -> None:
    three = versions(manifest({"a": "0"}), manifest({"a": "1"}), manifest({"a": "2"}))
    taken = {name: settled_by(name, three).groups["a"] for name in ("take-ours", "take-theirs", "take-base")}
    assert [group.version for group in taken.values() if isinstance(group, Taken)] == [0, 1, BASE]


def test_arithmetic_is_left_to_be_computed() -> None:
    three = versions(manifest({"a": "0"}), manifest({"a": "1"}), manifest({"a": "2"}))
    (group,) = settled_by("average", three).computed
    assert isinstance(group, Computed)
    assert (group.state.dtype, group.state.shape) == ("F32", (2, 3))


def test_what_cannot_be_averaged_stays_open_and_says_why() -> None:
    def side(content: str) -> dict[str, object]:
        return {
            "deleted": None if content == "2" else content,
            "integers": tensor("integers", content, "I64"),
            "shapes": tensor("shapes", content, "F32", (int(content), 3)),
        }

    base, ours, theirs = (
        manifest({name: one for name, one in side(content).items() if one is not None})  # type: ignore[misc]
        for content in ("3", "1", "2")
    )
    found = whys(settled_by("average", versions(base, ours, theirs)))
    assert found["deleted"] == "theirs deleted it; take one side"
    assert found["integers"] == "I64 values are never averaged; take one side"
    assert "shapes differ" in str(found["shapes"])


def test_the_dtype_is_merged_three_way() -> None:
    half = tensor("a", "1", "BF16")
    found = settled_by("average", versions(manifest({"a": "0"}), manifest({"a": half}), manifest({"a": "2"})))
    assert found.computed[0].state.dtype == "BF16"


def test_the_file_of_the_side_whose_groups_are_the_merged_ones_is_used() -> None:
    base = manifest({"a": "0"}, skeleton="small")
    theirs = manifest({"a": "0", "b": "2"}, skeleton="large")
    ours = manifest({"a": "1"}, skeleton="small")
    found = outcome(versions(base, ours, theirs), {})
    assert not found.open
    assert found.frame.side == 1


def test_of_two_fitting_files_the_changed_one_is_used() -> None:
    old, new = manifest({"a": "0"}, skeleton="old"), manifest({"a": "0"}, skeleton="new")
    assert outcome(versions(old, old, new), {}).frame.side == 1
    assert outcome(versions(old, new, old), {}).frame.side == 0
    newer = manifest({"a": "0"}, skeleton="newer")
    assert outcome(versions(old, new, newer), {}).frame.side == 0
    assert outcome(versions(old, new, newer), {}, preferred=1).frame.side == 1


def test_a_set_of_groups_that_is_neither_sides_goes_into_a_new_file() -> None:
    base = manifest({"a": "0"}, values={"__metadata__/epoch": '"3"'})
    ours = manifest({"a": "0", "b": "1"}, values={"__metadata__/epoch": '"4"'})
    theirs = manifest({"a": "2", "c": "2"}, values={"__metadata__/epoch": '"3"'})
    found = outcome(versions(base, ours, theirs), {})
    assert not found.open
    assert found.frame.side is None
    assert found.frame.manifest.groups.keys() == {"a", "b", "c"}
    assert found.frame.manifest.values["__metadata__/epoch"].text == '"4"'
    assert found.notes == ()


def test_where_no_new_file_can_be_written_ours_is_kept_and_the_rest_stays_open() -> None:
    base = manifest({"a": "0"}, {"tied": "a"})
    ours = manifest({"a": "0", "b": "1"}, {"tied": "a"})
    theirs = manifest({"a": "2", "c": "2"}, {"tied": "a"})
    found = outcome(versions(base, ours, theirs), {})
    assert {name for name, group in found.groups.items() if group.state} == {"a", "b", "tied"}
    assert "a safetensors file cannot tie it to a" in str(whys(found)["c"])


X = "__metadata__/x"
ARRAYS = [f"numpy.core.multiarray._reconstruct blake3:{digit * 64}" for digit in "012"]


def with_value(*texts: str) -> Versions:
    return versions(*(manifest({"w": "0"}, values={X: text}, skeleton=text) for text in texts))


@pytest.mark.parametrize("texts", [('"3"', '"4"', '"5"'), ARRAYS])
def test_a_value_that_both_sides_changed_is_a_conflict(texts: Sequence[str]) -> None:
    found = outcome(with_value(*texts), {})
    assert [item.conflict.name for item in found.open] == [X]
    assert found.frame.manifest.values[X].text == texts[1]


def test_a_value_follows_the_side_that_was_chosen() -> None:
    for name, text in (("take-ours", "4"), ("take-theirs", "5"), ("take-base", "3")):
        found = outcome(with_value('"3"', '"4"', '"5"'), {X: choice(name, {}, 2)})
        assert found.frame.manifest.values[X].text == f'"{text}"'
        assert (found.open, found.notes) == ((), ())


def test_a_strategy_for_groups_leaves_plain_values_as_they_are_and_says_so() -> None:
    found = outcome(with_value("3", "4", "5"), {X: choice("average", {}, 2)})
    assert found.notes == (f"value {X}: base 3, ours 4, theirs 5; ours is kept",)
    assert not found.open


def test_an_array_among_the_values_is_never_dropped_unasked() -> None:
    found = outcome(with_value(*ARRAYS), {X: choice("average", {}, 2)})
    assert whys(found) == {X: "a value is never averaged; take one side"}
    assert not outcome(with_value(*ARRAYS), {X: choice("average", {}, 2)}, preferred=1).open


def test_values_of_both_sides_go_into_one_file() -> None:
    base, ours, theirs = (
        manifest({"w": "0"}, values={X: f'"{epoch}"', "__metadata__/lr": f'"{lr}"'}, skeleton=f"{epoch} {lr}")
        for epoch, lr in ((3, 0.1), (4, 0.1), (3, 0.2))
    )
    found = outcome(versions(base, ours, theirs), {})
    assert found.frame.side is None
    assert {name: value.text for name, value in found.frame.manifest.values.items()} == {
        X: '"4"',
        "__metadata__/lr": '"0.2"',
    }
    assert not found.open


def test_plain_values_that_no_file_has_both_of_give_way_with_a_note() -> None:
    base, ours, theirs = (
        manifest({}, values={"epoch": epoch, "lr": lr}, skeleton=f"{epoch} {lr}")
        for epoch, lr in ((3, 0.1), (4, 0.1), (3, 0.2))
    )
    (note,) = outcome(versions(base, ours, theirs), {}).notes
    assert note.startswith("value lr: base 0.1, ours 0.1, theirs 0.2; it follows ours (")


def test_the_file_of_the_side_that_changed_an_array_is_used_before_others() -> None:
    base, ours, theirs = (
        manifest({}, values={"epoch": epoch, "x": ARRAYS[array]}, skeleton=f"{epoch} {array}")
        for epoch, array in ((3, 0), (4, 0), (3, 1))
    )
    found = outcome(versions(base, ours, theirs), {})
    assert found.frame.side == 1
    assert found.notes[0].startswith("value epoch: base 3, ours 4, theirs 3; it follows theirs (")


def test_two_arrays_that_no_file_has_both_of_are_a_conflict_with_a_way_out() -> None:
    base, ours, theirs = (
        manifest({}, values={"x": ARRAYS[x], "y": ARRAYS[y]}, skeleton=f"{x} {y}") for x, y in ((0, 0), (1, 0), (0, 1))
    )
    found = outcome(versions(base, ours, theirs), {})
    assert str(whys(found)["y"]).endswith("take all values of one side: git theta resolve PATH --values ours|theirs")
    assert not outcome(versions(base, ours, theirs), {}, preferred=0).open
