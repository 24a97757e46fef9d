from __future__ import annotations

import json

import pytest

from tests.theta_merge.manifests import manifest
from tests.theta_merge.manifests import tensor
from theta_checkpoint.manifest import Manifest
from theta_merge.decide import Decision
from theta_merge.decide import decided_groups
from theta_merge.decide import decided_values

ABSENT = None


def version(content: str | None) -> Manifest:
    return manifest({} if content is None else {"w": content})


def decision(base: str | None, *sides: str | None) -> Decision:
    (found,) = decided_groups(version(base), [version(side) for side in sides])
    return found


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "kind", "side"),
    [
        ("a", "a", "a", "unchanged", 0),
        ("a", "b", "a", "changed", 0),
        ("a", "a", "b", "changed", 1),
        ("a", "b", "b", "changed", 0),
        (ABSENT, "a", ABSENT, "added", 0),
        (ABSENT, ABSENT, "a", "added", 1),
        (ABSENT, "a", "a", "added", 0),
        ("a", ABSENT, "a", "deleted", 0),
        ("a", "a", ABSENT, "deleted", 1),
        ("a", ABSENT, ABSENT, "deleted", 0),
        ("a", "b", "c", "both-changed", None),
        (ABSENT, "b", "c", "both-added", None),
        ("a", ABSENT, "c", "changed-deleted", None),
        ("a", "b", ABSENT, "changed-deleted", None),
    ],
)
def test_every_combination_of_two_sides(
    base: str | None, ours: str | None, theirs: str | None, kind: str, side: int | None
) -> None:
    found = decision(base, ours, theirs)
    assert (found.kind, found.side) == (kind, side)


@pytest.mark.parametrize(
    ("base", "sides", "kind", "side"),
    [
        ("a", ("a", "a", "b"), "changed", 2),
        ("a", ("a", "b", "b"), "changed", 1),
        ("a", ("a", "b", "c"), "both-changed", None),
        ("a", ("a", ABSENT, "c"), "changed-deleted", None),
        (ABSENT, (ABSENT, ABSENT, "c"), "added", 2),
    ],
)
def test_several_sides_follow_the_same_rules(
    base: str | None, sides: tuple[str | None, ...], kind: str, side: int | None
) -> None:
    found = decision(base, *sides)
    assert (found.kind, found.side) == (kind, side)


def test_equal_bytes_in_another_shape_or_dtype_are_a_change() -> None:
    base = manifest({"w": tensor("w", "a", "F32", (2, 3))})
    reshaped = manifest({"w": tensor("w", "a", "F32", (3, 2))})
    retyped = manifest({"w": tensor("w", "a", "I32", (2, 3))})
    (one,) = decided_groups(base, [base, reshaped])
    assert (one.kind, one.side) == ("changed", 1)
    (both,) = decided_groups(base, [retyped, reshaped])
    assert both.kind == "both-changed"


def test_without_a_common_ancestor_everything_was_added() -> None:
    found = decided_groups(None, [manifest({"v": "a", "w": "a"}), manifest({"w": "b"})])
    assert [(one.name, one.kind, one.side) for one in found] == [("v", "added", 0), ("w", "both-added", None)]


def test_a_tie_kept_by_both_sides_is_no_decision_to_make() -> None:
    base, ours, theirs = (manifest({"embed": text}, {"head": "embed"}) for text in ("a", "b", "c"))
    embed, head = decided_groups(base, [ours, theirs])
    assert embed.kind == "both-changed"
    assert head.kind == "unchanged"


def test_a_tie_that_one_side_untied_is_merged_as_a_tensor_of_its_own() -> None:
    base = manifest({"embed": "a"}, {"head": "embed"})
    trained_on = manifest({"embed": "b"}, {"head": "embed"})
    untied = manifest({"embed": "a", "head": "c"})
    head = decided_groups(base, [trained_on, untied])[1]
    assert (head.name, head.kind) == ("head", "both-changed")
    head = decided_groups(base, [base, untied])[1]
    assert (head.kind, head.side) == ("changed", 1)


def test_values_follow_the_same_rules() -> None:
    base, ours, theirs = (
        manifest({}, values={"epoch": epoch, "lr": lr}) for epoch, lr in ((3, 0.1), (4, 0.1), (5, 0.2))
    )
    epoch, lr = decided_values(base, [ours, theirs])
    assert (epoch.name, epoch.kind) == ("epoch", "both-changed")
    assert (lr.kind, lr.side) == ("changed", 1)


def test_decisions_are_json() -> None:
    found = decision("a", "b", None)
    assert json.loads(json.dumps(found.as_json()))["kind"] == "changed-deleted"
