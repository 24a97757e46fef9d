from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from strategies import registry
from strategies.contract import Strategy
from strategies.registry import UnknownStrategy
from strategies.registry import strategy

ISSUE = (
    "take-ours take-theirs take-base average fisher regmean slerp nuslerp multislerp karcher task-arithmetic ties "
    "dare-linear dare-ties della della-linear breadcrumbs breadcrumbs-ties sce ram ramplus model-stock nearswap "
    "arcee-fusion passthrough magmax emr consensus pcb tsv iso-c iso-cts wudi ace lora"
)

PlugIn = Callable[[str, str], None]


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> PlugIn:
    """Pretends that another package declares an entry point."""

    def declare(name: str, value: str) -> None:
        points = (EntryPoint(name, value, registry.ENTRY_POINTS),)
        monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == registry.ENTRY_POINTS else ())
        registry.strategy.cache_clear()

    return declare


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with a strategy of its own."""
    module = ModuleType("third_party_merging")
    module.STRATEGY = Strategy(  # type: ignore[attr-defined]
        name="first",
        summary="the first",
        formula="R = X_1",
        when="never",
        merge=lambda base, sides, options, context: sides[0],
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_the_catalogue_is_complete() -> None:
    assert set(registry.names()) == set(ISSUE.split())


@pytest.mark.parametrize("name", registry.names())
def test_every_module_holds_the_strategy_of_its_name(name: str) -> None:
    assert strategy(name).name == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("linear", "average"),
        ("dare_ties", "dare-ties"),
        ("TIES", "ties"),
        ("tsv_m", "tsv"),
        (" iso_c ", "iso-c"),
        ("TIES-Merging", "ties"),
    ],
)
def test_names_of_other_tools_are_understood(name: str, meant: str) -> None:
    assert strategy(name).name == meant


def test_a_name_of_another_tool_may_imply_options() -> None:
    assert strategy("ramplus_tl").name == "ramplus"
    assert registry.implied_options("ramplus_tl") == ("scope=tensor",)
    assert registry.aliases("ramplus") == ("ramplus-tl (scope=tensor)",)


def test_an_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(UnknownStrategy, match="'avrage'; did you mean average"):
        strategy("avrage")


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(UnknownStrategy, match="git theta strategies"):
        strategy("xyzzy")


def test_other_packages_add_strategies(plug_in: PlugIn, third_party: ModuleType) -> None:
    plug_in("first", "third_party_merging")
    assert strategy("first") is third_party.STRATEGY
    assert registry.all_strategies()[-1].name == "first"
    assert "first" not in registry.names()


def test_other_packages_cannot_replace_a_built_in(plug_in: PlugIn, third_party: ModuleType) -> None:
    plug_in("average", "third_party_merging:STRATEGY")
    assert strategy("average").name == "average"


def test_plug_ins_stay_unloaded_until_asked_for(plug_in: PlugIn) -> None:
    plug_in("broken", "no_such_package")
    assert strategy("ties").name == "ties"


def test_built_ins_are_found_without_looking_at_what_is_installed() -> None:
    program = "import sys; from strategies.registry import strategy; strategy('ties'); "
    program += "sys.exit('importlib.metadata' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_broken_plug_in_is_left_out_of_the_list_with_a_warning(plug_in: PlugIn) -> None:
    plug_in("broken", "no_such_package")
    with pytest.warns(UserWarning, match=r"'broken' \(no_such_package\)"):
        assert registry.all_strategies() == registry.built_in_strategies()


def test_a_plug_in_of_another_kind_says_what_is_wanted(plug_in: PlugIn) -> None:
    plug_in("odd", "json")
    with pytest.raises(TypeError, match="STRATEGY"):
        strategy("odd")
