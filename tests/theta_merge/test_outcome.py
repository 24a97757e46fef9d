from __future__ import annotations

from collections.abc import Mapping

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
    return outcome(found, dict.fromkeys(found.conflicts, one), preferred)


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


def test_values_that_give_way_are_noted() -> None:
    base, ours, theirs = (manifest({}, values={"epoch": epoch}, skeleton=str(epoch)) for epoch in (3, 4, 5))
    found = outcome(versions(base, ours, theirs), {})
    assert found.notes == ("value epoch: base 3, ours 4, theirs 5; it follows ours",)


def test_values_that_merge_are_not_noted() -> None:
    base, theirs = (manifest({}, values={"epoch": epoch}, skeleton=str(epoch)) for epoch in (3, 5))
    assert outcome(versions(base, base, theirs), {}).notes == ()
