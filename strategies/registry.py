"""Which strategies there are: a literal table of the built-ins, and the entry points of other packages."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from strategies.contract import MergeError
from strategies.contract import Strategy
from strategies.other_tools import ALIASES
from strategies.other_tools import plain

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "theta.strategies"

BUILT_IN = {
    "take-ours": "strategies.methods.take_ours",
    "take-theirs": "strategies.methods.take_theirs",
    "take-base": "strategies.methods.take_base",
    "average": "strategies.methods.average",
    "passthrough": "strategies.methods.passthrough",
    "slerp": "strategies.methods.slerp",
    "nuslerp": "strategies.methods.nuslerp",
    "multislerp": "strategies.methods.multislerp",
    "karcher": "strategies.methods.karcher",
    "task-arithmetic": "strategies.methods.task_arithmetic",
    "ties": "strategies.methods.ties",
    "dare-linear": "strategies.methods.dare_linear",
    "dare-ties": "strategies.methods.dare_ties",
    "della": "strategies.methods.della",
    "della-linear": "strategies.methods.della_linear",
    "breadcrumbs": "strategies.methods.breadcrumbs",
    "breadcrumbs-ties": "strategies.methods.breadcrumbs_ties",
    "sce": "strategies.methods.sce",
    "ram": "strategies.methods.ram",
    "ramplus": "strategies.methods.ramplus",
    "magmax": "strategies.methods.magmax",
    "emr": "strategies.methods.emr",
    "consensus": "strategies.methods.consensus",
    "pcb": "strategies.methods.pcb",
    "model-stock": "strategies.methods.model_stock",
    "tsv": "strategies.methods.tsv",
    "iso-c": "strategies.methods.iso_c",
    "iso-cts": "strategies.methods.iso_cts",
    "wudi": "strategies.methods.wudi",
    "ace": "strategies.methods.ace",
    "nearswap": "strategies.methods.nearswap",
    "arcee-fusion": "strategies.methods.arcee_fusion",
    "fisher": "strategies.methods.fisher",
    "regmean": "strategies.methods.regmean",
    "lora": "strategies.methods.lora",
}
"""Name to module; each module holds one object ``STRATEGY``."""


class UnknownStrategy(MergeError):
    """No strategy has this name."""

    def __init__(self, name: str) -> None:
        known = [*BUILT_IN, *ALIASES, *(point.name for point in _plug_ins())]
        close = get_close_matches(plain(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "see `git theta strategies`"
        super().__init__(f"no strategy is called {name!r}; {hint}")
        self.name = name


def names() -> tuple[str, ...]:
    """The names of the built-in strategies, without importing them."""
    return tuple(BUILT_IN)


@cache
def strategy(name: str) -> Strategy:
    """The strategy of this name; built-ins first, other packages' only for a name that is not built in."""
    wanted, *_ = _meaning(name)
    if wanted in BUILT_IN:
        built_in: Strategy = import_module(BUILT_IN[wanted]).STRATEGY
        return built_in
    for point in _plug_ins():
        if plain(point.name) == wanted:
            return _loaded(point)
    raise UnknownStrategy(name)


def implied_options(name: str) -> tuple[str, ...]:
    """Options that go with a name, as they are typed: ``ramplus_tl`` is ramplus with ``scope=tensor``."""
    _, *options = _meaning(name)
    return tuple(options)


def aliases(name: str) -> tuple[str, ...]:
    """The other names of a built-in, with options that go with them: ``ramplus-tl (scope=tensor)``."""
    meanings = {alias: _meaning(alias) for alias in ALIASES}
    return tuple(
        f"{alias} ({' '.join(options)})" if options else alias
        for alias, (wanted, *options) in meanings.items()
        if wanted == name
    )


def built_in_strategies() -> tuple[Strategy, ...]:
    """Every built-in strategy, in the order of the catalogue."""
    return tuple(strategy(name) for name in BUILT_IN)


def all_strategies() -> tuple[Strategy, ...]:
    """The built-ins, then other packages' strategies; one that cannot be loaded is left out with a warning."""
    found = []
    for point in _plug_ins():
        try:
            found.append(_loaded(point))
        except Exception as error:  # another package's code, so anything may come
            warnings.warn(f"strategy plug-in {point.name!r} ({point.value}): {error}", stacklevel=2)
    return (*built_in_strategies(), *found)


def _meaning(name: str) -> list[str]:
    """The name of a strategy, and options that go with it."""
    return ALIASES.get(plain(name), plain(name)).split()


def _plug_ins() -> tuple[EntryPoint, ...]:
    # Here because every driver imports this module, few look for plug-ins, and it is slow to import.
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS)
    return tuple(sorted((p for p in found if plain(p.name) not in BUILT_IN), key=lambda point: point.name))


def _loaded(point: EntryPoint) -> Strategy:
    loaded = point.load()
    candidate = getattr(loaded, "STRATEGY", loaded)
    if not isinstance(candidate, Strategy):
        raise TypeError("the entry point is neither a Strategy nor a module with one called STRATEGY")
    return candidate
