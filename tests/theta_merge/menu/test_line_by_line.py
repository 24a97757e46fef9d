from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.theta_merge.manifests import digest
from tests.theta_merge.manifests import manifest
from theta_merge.choices import Choice
from theta_merge.decide import Decision
from theta_merge.decide import decided_groups
from theta_merge.menu.facts import Facts
from theta_merge.menu.facts import facts
from theta_merge.menu.line_by_line import LineMenu
from theta_merge.menu.preview import Tell
from theta_merge.menu.session import Session
from theta_merge.menu.terminal import Terminal
from theta_store.sketches import Sketch


def previewed(conflict: Decision, choice: Choice, tell: Tell) -> str:
    """A preview that fails where take-base is tried."""
    tell("fetching 1 of 2 objects ...")
    if choice.strategy.name == "take-base":
        raise OSError("the cable is cut")
    return f"≈ 2 % from base for {conflict.name}"


def conversation(*lines: str) -> tuple[dict[str, str], str]:
    """What is settled after these lines, and what was shown."""
    base, ours, theirs = (manifest({"enc.a": content, "enc.b": content, "head": content}) for content in "012")
    session = Session(tuple(decided_groups(base, [ours, theirs])))
    output = io.StringIO()
    terminal = Terminal(io.StringIO("".join(f"{line}\n" for line in lines)), output)
    done = LineMenu("m.pt", session, lambda _: Facts((0.021, 0.4), 0.31), previewed, terminal).run()
    return {name: str(one) for name, one in done.choices.items()}, output.getvalue()


def test_each_conflict_is_shown_with_what_each_side_did() -> None:
    _, shown = conversation("quit")
    assert "[1/3] enc.a: both changed F32[2,3]" in shown
    assert "ours ≈ 2.1 %, theirs ≈ 40 %, cosine ≈ 0.31" in shown
    assert "1  take-ours" in shown


def test_a_preview_settles_nothing() -> None:
    settled, shown = conversation("preview average weights=0.7,0.3", "p 3", "preview", "quit")
    assert settled == {}
    assert "fetching 1 of 2 objects ..." in shown
    assert "average weights=0.7,0.3: ≈ 2 % from base for enc.a\n" in shown
    assert "the cable is cut\n" in shown
    assert "no strategy is called 'preview'" in shown


def test_numbers_names_and_options() -> None:
    settled, shown = conversation("1", "average weights=0.7,0.3", "take-theirs")
    assert settled == {"enc.a": "take-ours", "enc.b": "average weights=0.7,0.3", "head": "take-theirs"}
    assert "3 / 3 settled" in shown


def test_the_same_for_all_that_match() -> None:
    settled, shown = conversation("average for enc.*", "quit")
    assert settled == {"enc.a": "average", "enc.b": "average"}
    assert "average for 2 parameter groups" in shown


def test_mistakes_are_told_and_asked_again() -> None:
    settled, shown = conversation("99", "avrage", "average wieghts=1", "take-ours for nothing*", "1", "quit")
    assert settled == {"enc.a": "take-ours"}
    for message in (
        "there is no number 99",
        "did you mean average",
        "did you mean weights",
        "no conflict has this name",
    ):
        assert message in shown
    assert shown.count("[1/3]") == 1


def test_change_of_mind() -> None:
    assert conversation("1", "undo", "2", "quit")[0] == {"enc.a": "take-theirs"}
    assert conversation("1", "undo", "redo", "quit")[0] == {"enc.a": "take-ours"}


def test_skip_and_end_of_input_leave_conflicts() -> None:
    settled, shown = conversation("skip", "1")
    assert settled == {"enc.b": "take-ours"}
    assert "1 / 3 settled" in shown


def test_the_choices_are_saved_as_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    conversation("average for *", f"save {file}", "quit")
    assert not file.exists()
    conversation("average for enc.*", f"save {file}", "quit")
    assert file.read_text() == '[[rule]]\nmatch = "enc.*"\nstrategy = "average"\n'


def test_a_recipe_takes_the_place_of_a_recipe_alone(tmp_path: Path) -> None:
    recipe, other = tmp_path / "r.toml", tmp_path / "m.pt"
    recipe.write_text("[default]\nstrategy = 'ties'\n")
    other.write_bytes(b"PK\x03\x04\xff")
    _, shown = conversation("1", f"save {recipe}", f"save {other}", f"save {tmp_path}", f"save {tmp_path}/no/r", "quit")
    assert "take-ours" in recipe.read_text()
    assert other.read_bytes() == b"PK\x03\x04\xff"
    assert f"{other} is there and is no recipe; give another name" in shown
    assert f"cannot write {tmp_path}: Is a directory" in shown
    assert f"cannot write {tmp_path}/no/r: No such file or directory" in shown


def test_of_several_sides_the_two_that_differ_most_are_told() -> None:
    def sketch(*buckets: float) -> Sketch:
        return Sketch(0, 0, 1.0, (*buckets, *[0.0] * 61))

    first, *sides = (manifest({"w": content}) for content in "0123")
    (conflict,) = decided_groups(first, sides)
    moves = {"0": (0, 0, 0), "1": (1, 0, 0), "2": (1, 1, 0), "3": (-1, 0, 0)}
    found = facts(conflict, {digest(content): sketch(*moved) for content, moved in moves.items()})
    assert found.cosine == pytest.approx(-1.0)


def test_help_tells_the_options() -> None:
    _, shown = conversation("help average", "?")
    assert "weights=" in shown
    assert "the same for all that match" in shown


def test_facts_come_from_sketches() -> None:
    base, ours, theirs = (manifest({"w": content}) for content in "012")
    (conflict,) = decided_groups(base, [ours, theirs])

    def sketch(first: float, second: float) -> Sketch:
        return Sketch(0, 0, 10.0, (first, second, *[0.0] * 62))

    known = {
        version.groups["w"].digest: one
        for version, one in ((base, sketch(0, 0)), (ours, sketch(1, 0)), (theirs, sketch(0, 2)))
    }
    found = facts(conflict, known)
    assert [round(change or 0, 6) for change in found.changes] == [0.1, 0.2]
    assert found.cosine == pytest.approx(0.0)
    assert facts(conflict, {}).text == ""
