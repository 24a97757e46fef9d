"""The full-screen menu as data: what keys do, and what is shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from strategies.contract import MergeError
from tests.theta_merge.manifests import manifest
from tests.theta_merge.manifests import tensor
from tests.theta_merge.manifests import versions
from theta_checkpoint.manifest import Manifest
from theta_merge.decide import Decision
from theta_merge.decide import decided_groups
from theta_merge.menu.facts import Facts
from theta_merge.menu.facts import facts
from theta_merge.menu.full_screen import after
from theta_merge.menu.screen import Mode
from theta_merge.menu.screen import Screen
from theta_merge.menu.screen_text import text
from theta_merge.menu.session import Session

NAMES = ("enc.0.w", "enc.1.w", "gone", "head")
ENTER, ESCAPE = "c-m", "escape"


@pytest.fixture
def screen() -> Screen:
    base, ours, theirs = (manifest(dict.fromkeys(NAMES, content)) for content in "012")
    theirs = manifest({name: "2" for name in NAMES if name != "gone"})
    session = Session(tuple(decided_groups(base, [ours, theirs])))
    return Screen("m.pt", session, lambda _: Facts((0.021, 0.4), 0.31))


def pressed(screen: Screen, *keys: str) -> Screen:
    for key in keys:
        screen = after(screen, key, key if len(key) == 1 else "")
    return screen


def shown(screen: Screen, width: int = 100, height: int = 24) -> str:
    lines = ["".join(piece for _, piece in line) for line in text(screen, width, height)]
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    return "\n".join(line.rstrip() for line in lines)


def settled(screen: Screen) -> dict[str, str]:
    return {name: str(one) for name, one in screen.settled.items()}


def test_the_tree_shows_what_each_side_did(screen: Screen) -> None:
    drawn = shown(screen)
    assert "0 / 4 settled" in drawn
    assert ">· - enc." in drawn
    assert "F32[2,3]  ≈ 2.1 %  ≈ 40 %    0.31" in drawn
    assert "ours  theirs  cosine" in drawn
    assert "ours changed it, theirs deleted it" in drawn


def test_a_module_is_settled_at_once(screen: Screen) -> None:
    screen = pressed(screen, ENTER, "down", ENTER)
    assert settled(screen) == {"enc.0.w": "take-theirs", "enc.1.w": "take-theirs"}
    assert "take-theirs for 2 parameter groups" in shown(screen)
    assert " ✓ - enc." in shown(pressed(screen, "down"))
    assert "→ take-theirs" in shown(screen)


def test_options_are_typed(screen: Screen) -> None:
    screen = pressed(screen, "down", ENTER, "down", "down", "down", "e", *"weights=1,3", ENTER)
    assert settled(screen) == {"enc.0.w": "average weights=1,3"}


def test_wrong_options_are_refused_and_can_be_corrected(screen: Screen) -> None:
    screen = pressed(screen, "down", ENTER, "down", "down", "down", "e", *"weight5")
    with pytest.raises(MergeError, match="did you mean"):
        pressed(screen, ENTER)
    assert pressed(screen, "backspace").text == "weight"
    assert pressed(screen, ESCAPE).mode is Mode.CHOOSE


def test_all_that_a_filter_shows_is_settled_at_once(screen: Screen) -> None:
    screen = pressed(screen, "/", *"1.", ENTER)
    assert "1 of 4 shown" in shown(screen)
    assert settled(pressed(screen, "a", ENTER)) == {"enc.1.w": "take-ours"}
    assert len(pressed(screen, ESCAPE).shown) == 4


def test_the_kind_of_conflict_filters(screen: Screen) -> None:
    assert pressed(screen, ENTER, ENTER, "k").shown == ["gone", "head"]
    assert pressed(screen, "k", "k").shown == ["enc.0.w", "enc.1.w", "head"]
    assert pressed(screen, "k", "k", "k", "k").shown == ["gone"]
    assert pressed(screen, "k", "k", "k", "k", "k").shown == []


def test_nothing_shown_is_nothing_to_choose(screen: Screen) -> None:
    screen = pressed(screen, "/", *"zzz", ENTER, "a")
    assert "nothing matches" in shown(screen)
    assert screen.mode is Mode.BROWSE


def test_a_strategy_that_fits_only_some_settles_those(screen: Screen) -> None:
    screen = pressed(screen, "a")
    assert [strategy.name for strategy in screen.offered] == ["take-ours", "take-theirs", "take-base"]
    assert len(settled(pressed(screen, ENTER))) == 4


def test_undo_redo_and_reopen(screen: Screen) -> None:
    done = pressed(screen, ENTER, ENTER)
    assert settled(pressed(done, "u")) == {}
    assert settled(pressed(done, "u", "r")) == settled(done)
    assert settled(pressed(done, "down", "o")) == {"enc.1.w": "take-ours"}
    with pytest.raises(MergeError, match="nothing to undo"):
        pressed(screen, "u")


def test_values_are_conflicts_of_their_own() -> None:
    found = versions(*(manifest({"w": epoch}, values={"epoch": epoch}) for epoch in ("3", "4", "5")))
    screen = Screen("m.pt", Session(tuple(found.conflicts)), lambda _: Facts((0.1, 0.1)))
    assert "a value: base 3, ours 4, theirs 5" in shown(screen)
    everything = pressed(screen, "a", *["down"] * 3, ENTER)
    assert settled(everything) == {"w": "average"}
    assert "it does not fit 1" in shown(everything)
    assert settled(pressed(screen, ENTER, "down", ENTER)) == {"epoch": "take-theirs"}


def test_folding(screen: Screen) -> None:
    assert len(pressed(screen, "left").rows) == 3
    assert len(pressed(screen, "left", "right").rows) == 5
    assert pressed(screen, "down", "left").cursor == 0


def test_the_choices_are_saved_as_a_recipe(screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    screen = pressed(screen, ENTER, ENTER, "w", *"r.toml", ENTER)
    assert "wrote r.toml" in shown(screen)
    assert (tmp_path / "r.toml").read_text() == '[[rule]]\nmatch = "enc.*"\nstrategy = "take-ours"\n'


def test_help_and_narrow_terminals(screen: Screen) -> None:
    assert "estimated from sketches" in shown(pressed(screen, "?"))
    assert pressed(screen, "?", "x").mode is Mode.BROWSE
    assert ">· - enc." in shown(screen, 60, 15)


def test_a_long_list_scrolls_with_the_cursor() -> None:
    names = [f"layer.{number}.w" for number in range(1000)]
    base, ours, theirs = (manifest(dict.fromkeys(names, content)) for content in "012")
    session = Session(tuple(decided_groups(base, [ours, theirs])))
    screen = Screen("m.pt", session, lambda _: Facts((None, None)))
    assert "999.w" in shown(pressed(screen, "end"))
    assert "0.w" in shown(pressed(screen, "end", "home"))


LAYERS = {"1.attention": (128, 128), "1.mlp": (512, 128), "2.attention": (128, 128), "2.mlp": (512, 128)}
FACTS = {
    "1.attention": Facts((0.018, 0.021), -0.2),
    "1.mlp": Facts((0.018, 0.03), -0.07),
    "2.attention": Facts((0.022, 0.028), 0.04),
    "2.mlp": Facts((0.019, 0.034), -0.21),
}


@pytest.fixture
def documented() -> Screen:
    """The merge of which docs/merge.md tells."""

    def version(content: str) -> Manifest:
        names = {f"encoder.layer.{layer}.weight": shape for layer, shape in LAYERS.items()}
        groups = {name: tensor(name, content, shape=shape) for name, shape in names.items()}
        return manifest(groups, values={"epoch": content})

    def facts(conflict: Decision) -> Facts:
        return FACTS.get(conflict.name[len("encoder.layer.") : -len(".weight")], Facts((None, None)))

    session = Session(tuple(versions(*map(version, "345")).conflicts))
    return Screen("model.pt (ours: HEAD, theirs: german)", session, facts)


def test_the_screens_of_the_documentation(documented: Screen) -> None:
    page = (Path(__file__).parents[3] / "docs/merge.md").read_text()
    choosing = pressed(documented, "down", "down", ENTER, *["down"] * 3)
    assert f"\n{shown(pressed(choosing, ENTER), 92, 15)}\n" in page
    told = "encoder.layer.1.attention.weight by average: ≈ 1.3 % from base, ≈ 1.5 % from ours, ≈ 1.5 % from theirs"
    assert f"\n{shown(choosing.told(told), 92, 20)}\n" in page


def test_a_list_says_how_much_of_it_is_not_shown(documented: Screen) -> None:
    assert "↓ 5 more" in shown(documented, 92, 8)
    assert "↑ 5 more" in shown(pressed(documented, "end"), 92, 8)
    assert "more" not in shown(documented, 92, 20).splitlines()[1]


@pytest.mark.parametrize(("width", "height"), [(92, 24), (60, 15)])
def test_the_list_of_strategies_is_as_long_whichever_is_picked(documented: Screen, width: int, height: int) -> None:
    choosing = pressed(documented, "down", ENTER)
    names = tuple(f"{sign} {strategy.name}" for strategy in choosing.offered for sign in " >")
    drawn = [shown(pressed(choosing, *["down"] * count), width, height) for count in range(len(choosing.offered))]
    listed = {sum(line.startswith(names) for line in lines.splitlines()) for lines in drawn}
    assert len(listed) == 1


def test_where_there_is_little_room_shapes_give_way_first(documented: Screen) -> None:
    chosen = pressed(documented, "a", "down", ENTER)
    assert "F32[128,128]  ≈ 1.8 %  ≈ 2.1 %   -0.20" in shown(chosen, 92, 15)
    narrow = shown(chosen, 72, 15)
    assert "F32[128,128]" not in narrow
    assert "≈ 1.8 %  ≈ 2.1 %   -0.20" in narrow


def test_versions_of_different_shapes_are_shown_beside_each_other() -> None:
    found = versions(*(manifest({"w": tensor("w", rows, shape=(int(rows), 3))}) for rows in "456"))
    screen = Screen("m.pt", Session(tuple(found.conflicts)), partial(facts, sketches={}))
    assert ">· w  ours F32[5,3], theirs F32[6,3]" in shown(screen)
    assert "w: both changed it: ours F32[5,3], theirs F32[6,3]" in shown(pressed(screen, ENTER))


def test_the_options_of_a_strategy_are_told_where_they_are_typed(documented: Screen) -> None:
    typing = pressed(documented, "down", ENTER, *["down"] * 3, "e")
    assert "normalize=true  divide by the sum of the weights" in shown(typing)
    assert "Takes true or false." in shown(typing)


def test_help_scrolls_where_it_does_not_fit(screen: Screen) -> None:
    helped = pressed(screen, "?")
    assert "q leaves." not in shown(helped, 60, 15)
    assert "q leaves." in shown(pressed(helped, "pagedown", "pagedown"), 60, 15)


def test_however_small_the_screen_is_the_line_under_the_cursor_is_seen(documented: Screen) -> None:
    there = pressed(documented, "down", "down")
    assert ">·     attention.weight" in shown(there, 92, 6)
    assert "> take-ours" in shown(pressed(there, ENTER), 92, 6)
    assert ">" in shown(there, 20, 3)


def test_control_u_clears_what_is_typed_and_control_w_its_last_word(screen: Screen) -> None:
    typing = pressed(screen, "a", *["down"] * 3, "e", *"weights=1 x")
    assert pressed(typing, "c-w").text == "weights=1"
    assert pressed(typing, "c-u").text == ""


def test_an_error_is_gone_as_soon_as_something_is_typed(screen: Screen) -> None:
    failed = pressed(screen, "a", "e").told("no option is called so")
    assert "no option is called so" not in shown(pressed(failed, "x"))
