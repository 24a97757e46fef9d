"""Wishes: the strategy or recipe that the command line, environment, configuration or attributes ask for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path

from strategies.contract import MergeError
from strategies.registry import strategy
from theta_git.attributes import attribute
from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.choices import choice
from theta_merge.choices import options_of
from theta_merge.outcome import Versions
from theta_merge.recipe import Recipe
from theta_merge.recipe import Wanted
from theta_merge.recipe import parsed

STRATEGY = "GIT_THETA_STRATEGY"
OPTIONS = "GIT_THETA_OPTIONS"
RECIPE = "GIT_THETA_RECIPE"
VALUES = "GIT_THETA_VALUES"
SIDES = "GIT_THETA_SIDES"
"""the commits that are merged, ours first: where side data such as Fisher information is looked for"""


@dataclass(frozen=True)
class Wish:
    """What settles conflicts as far as the user has said so in advance."""

    default: Wanted | None = None
    """for every conflict that no rule matches"""
    recipe: Recipe = field(default_factory=Recipe)
    values: str | None = None
    """``ours`` or ``theirs``: whose values (epoch, ...) stand where both sides changed them"""

    def __bool__(self) -> bool:
        return bool(self.default or self.recipe.rules or self.values)

    def check(self, sides: int) -> None:
        """Raise :class:`strategies.contract.MergeError` for strategies and options that do not exist."""
        self.recipe.check(sides)
        if self.default:
            self.default.choice(sides)


def given(name: str | None, options: Sequence[str], recipe: str | None, values: str | None = None) -> Wish:
    """What a command line asks for; raises :class:`strategies.contract.MergeError`."""
    rules = read(Path(recipe)) if recipe else Recipe()
    if options and not name:
        raise MergeError("-X gives options to a strategy; add --strategy NAME")
    return Wish(Wanted(name, options_of(options)) if name else rules.default, rules, values)


def wish(path: str, environment: Mapping[str, str], repository: Repository) -> Wish:
    """What is asked for a path: environment, then the recipe's default, then configuration, then attribute.

    Options come as shell words, ``weights=0.7,0.3 normalize=false``, from ``GIT_THETA_OPTIONS`` or
    ``theta.merge.options``. Raises :class:`strategies.contract.MergeError` for what cannot be read.
    """
    file = environment.get(RECIPE) or repository.config("theta.merge.recipe")
    recipe = read(_in_top(file, repository), file) if file else Recipe()
    values = _values(environment.get(VALUES) or repository.config("theta.merge.values"))
    words = environment.get(OPTIONS) or repository.config("theta.merge.options") or ""
    if name := environment.get(STRATEGY):
        return Wish(Wanted(name, options_of(shlex.split(words))), recipe, values)
    if recipe.default:
        return Wish(recipe.default, recipe, values)
    name = repository.config("theta.merge.strategy") or _attribute(path, repository)
    return Wish(Wanted(name, options_of(shlex.split(words))) if name else None, recipe, values)


def chosen(wish: Wish, path: str, versions: Versions) -> dict[str, Choice]:
    """The choice for each name that is to be computed and that the wish covers; all is checked, no value is read."""
    names = [decision.name for decision in (*versions.decisions, *versions.value_decisions)]
    wanted = [decision.name for decision in versions.to_compute]
    found = wish.recipe.choices(path, names, wanted, len(versions.sides))
    if wish.values:
        side = choice(f"take-{wish.values}", {}, len(versions.sides))
        found = {**{conflict.name: side for conflict in versions.conflicts if conflict.is_value}, **found}
    default = default_choice(_for_side_data(wish, path), versions)
    return {**dict.fromkeys(wanted, default), **found} if default else found


def _for_side_data(wish: Wish, path: str) -> Wish:
    """A strategy that reads side data cannot merge that very data: the mean of both stands for the merged model."""
    kind = strategy(wish.default.strategy).side_data if wish.default else None
    if wish.default is None or kind is None or not path.endswith(f".{kind}.safetensors"):
        return wish
    weights = {key: value for key, value in wish.default.options.items() if key in ("weights", "weight")}
    return replace(wish, default=Wanted("average", weights))


def preferred(wish: Wish, versions: Versions) -> int | None:
    """The side whose values stand where several changed them: as said, or that of a default that takes a side.

    None where nobody named one.
    """
    default = default_choice(wish, versions)
    side = wish.values or (default.strategy.selects if default else None)
    return {"ours": 0, "theirs": len(versions.sides) - 1}.get(str(side))


def default_choice(wish: Wish, versions: Versions) -> Choice | None:
    """What settles the conflicts that no rule matches."""
    return wish.default.choice(len(versions.sides)) if wish.default else None


def read(path: Path, name: str | None = None) -> Recipe:
    """The recipe in a file, which messages call by ``name``; raises :class:`MergeError`."""
    name = name or str(path)
    try:
        return parsed(path.read_text(), name)
    except OSError as error:
        raise MergeError(f"cannot read the recipe {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MergeError(f"cannot read the recipe {name}: it is no UTF-8 text") from error


def _values(side: str | None) -> str | None:
    if side not in (None, "ours", "theirs"):
        raise MergeError(f"theta.merge.values takes ours or theirs, not {side!r}")
    return side


def _in_top(file: str, repository: Repository) -> Path:
    """A recipe's path is relative to the root of the working tree, where there is one."""
    done = repository.finished("rev-parse", "--show-toplevel")
    top = done.stdout.decode(errors="surrogateescape").rstrip("\n")
    return Path(top) / file if top else repository.common_dir / file


def _attribute(path: str, repository: Repository) -> str | None:
    value = attribute(repository, "theta-strategy", [path]).get(path)
    return None if value == "set" else value
