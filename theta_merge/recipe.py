"""Recipes: rules in TOML that say which strategy settles which parameter groups.

::

    [default]
    strategy = "average"
    options = { weights = [0.7, 0.3] }

    [[rule]]
    match = "encoder.layer.{0..5}.*"
    strategy = "take-ours"

The first rule that matches a group counts. ``match`` is one glob or a list of them (``*`` matches any text,
``{a,b}`` and ``{0..11}`` stand for alternatives); ``path`` (a glob too) limits a rule to some files. A recipe
names strategies and options, never a program.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import Path
from pathlib import PurePath

from strategies.contract import MergeError
from theta_merge.choices import Choice
from theta_merge.choices import choice

_KEYS = {"match", "path", "strategy", "options"}
SEARCHED = 1000
"""names among which one like a pattern is looked for"""
_HEAD = re.compile(r"\s*\[\[\s*rule\s*\]\]")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


class BadRecipe(MergeError):
    """The text is not a recipe."""


@dataclass(frozen=True)
class Wanted:
    """A strategy by name, with its options as given."""

    strategy: str
    options: Mapping[str, object] = field(default_factory=dict)
    where: str = field(default="", compare=False)
    """file and line that name it, if a recipe does"""

    def choice(self, sides: int) -> Choice:
        """The choice that it is; raises :class:`MergeError` for strategies and options that do not exist."""
        try:
            return choice(self.strategy, self.options, sides)
        except MergeError as error:
            if not self.where:
                raise
            raise BadRecipe(f"{self.where}: {error}") from error


@dataclass(frozen=True)
class Rule:
    """One rule of a recipe."""

    match: tuple[str, ...]
    wanted: Wanted
    path: str = "*"


@dataclass(frozen=True)
class Recipe:
    """Rules in order, and what settles the groups that none matches."""

    rules: tuple[Rule, ...] = ()
    default: Wanted | None = None

    def check(self, sides: int) -> None:
        """Raise :class:`MergeError` for strategies and options that do not exist, whether a rule is needed or not."""
        for wanted in (*(rule.wanted for rule in self.rules), *([self.default] if self.default else [])):
            wanted.choice(sides)

    def choices(self, path: str, names: Iterable[str], conflicts: Iterable[str], sides: int) -> dict[str, Choice]:
        """The choice for each conflict that a rule matches.

        ``names`` are all groups of the merge. Raises :class:`MergeError` for a rule that matches none of them, and
        for strategies and options that do not exist; every rule is checked.
        """
        rules = [(rule, rule.wanted.choice(sides)) for rule in self.rules if fnmatchcase(path, rule.path)]
        everyone = list(names)
        for rule, _ in rules:
            for pattern in rule.match:
                if not any(matches(name, pattern) for name in everyone):
                    raise BadRecipe(_no_match(rule, pattern, path, everyone))
        found: dict[str, Choice] = {}
        for name in conflicts:
            one = next((one for rule, one in rules if any(matches(name, glob) for glob in rule.match)), None)
            if one:
                found[name] = one
        return found


def _no_match(rule: Rule, pattern: str, path: str, names: Sequence[str]) -> str:
    where = f"{rule.wanted.where}: " if rule.wanted.where else ""
    likeness = {name: SequenceMatcher(None, pattern, name[: len(pattern)]).ratio() for name in names[:SEARCHED]}
    near = max(likeness, key=likeness.__getitem__, default="")
    hint = f"; a name like it is {near}" if near else ""
    return f"{where}the pattern {pattern!r} matches no parameter group of {path}{hint}"


def matches(name: str, pattern: str) -> bool:
    """Whether a group's name matches a glob."""
    return any(fnmatchcase(name, one) for one in expanded(pattern))


def expanded(pattern: str) -> Iterator[str]:
    """The globs that a pattern with ``{a,b}`` or ``{0..11}`` stands for; at most ten thousand."""
    found = re.search(r"(?<!\[)\{([^{}]*)\}", pattern)
    if not found:
        yield pattern
        return
    for one in _alternatives(found[1]):
        yield from expanded(pattern[: found.start()] + one + pattern[found.end() :])


def _alternatives(text: str) -> Iterable[str]:
    span = _RANGE.fullmatch(text)
    if not span:
        return text.split(",")
    first, last = int(span[1]), int(span[2])
    if abs(last - first) >= 10_000:
        raise BadRecipe(f"the range {{{text}}} is too long")
    return map(str, range(first, last + 1) if first <= last else range(first, last - 1, -1))


def parsed(text: str, name: str) -> Recipe:
    """The recipe in a TOML text; ``name`` is the file's, for messages. Raises :class:`BadRecipe`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRecipe(f"{name}: {error}") from error
    if unknown := document.keys() - {"default", "rule", "version"}:
        raise BadRecipe(f"{name}: unknown key {min(unknown)!r}; a recipe has [default] and [[rule]]")
    rules = document.get("rule", [])
    if not isinstance(rules, list):
        raise BadRecipe(f"{name}: rules are written [[rule]]")
    default = document.get("default")
    places = _places(text, name, len(rules))
    return Recipe(
        tuple(_rule(table, where) for table, where in zip(rules, places, strict=True)),
        _wanted(default, f"{name}: default") if default is not None else None,
    )


def _places(text: str, name: str, count: int) -> list[str]:
    """Where each rule is, for messages."""
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if _HEAD.match(line)]
    named = [f"{name}, line {line}" for line in lines] if len(lines) == count else [name] * count
    return [f"{place}: rule {number}" for number, place in enumerate(named, start=1)]


def _rule(table: object, where: str) -> Rule:
    wanted = _wanted(table, where)
    assert isinstance(table, dict)
    match = table.get("match", "*")
    patterns = (match,) if isinstance(match, str) else match
    path = table.get("path", "*")
    if not isinstance(path, str) or not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise BadRecipe(f"{where}: match takes a glob or a list of globs, path a glob")
    return Rule(tuple(patterns), wanted, path)


def _wanted(table: object, where: str) -> Wanted:
    if not isinstance(table, dict) or not isinstance(table.get("strategy"), str):
        raise BadRecipe(f'{where}: it needs strategy = "NAME"')
    if unknown := table.keys() - _KEYS:
        raise BadRecipe(f"{where}: unknown key {min(unknown)!r}; options go into options = {{ ... }}")
    options = table.get("options", {})
    if not isinstance(options, dict):
        raise BadRecipe(f"{where}: options are written options = {{ name = value }}")
    for name, value in options.items():
        _refuse_foreign_path(value, f"{where}: option {name!r}")
    return Wanted(table["strategy"], options, where)


def _refuse_foreign_path(value: object, where: str) -> None:
    texts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    for text in map(str, texts):
        if PurePath(text).is_absolute() or ".." in PurePath(text).parts:
            raise BadRecipe(f"{where}: a recipe names no files outside of the repository")


def save(recipe: Recipe, file: str) -> None:
    """Write a recipe, in the place of an earlier one if there is one; raises :class:`MergeError`."""
    path = Path(file)
    try:
        if path.exists():
            parsed(path.read_text(), file)
        path.write_text(written(recipe))
    except (BadRecipe, UnicodeDecodeError) as error:
        raise MergeError(f"{file} is there and is no recipe; give another name") from error
    except OSError as error:
        raise MergeError(f"cannot write {file or 'a file without a name'}: {error.strerror}") from error


def written(recipe: Recipe) -> str:
    """The recipe as TOML, which :func:`parsed` reads again."""
    blocks = []
    if recipe.default:
        blocks.append("\n".join(["[default]", *_lines(recipe.default)]))
    for rule in recipe.rules:
        match = json.dumps(rule.match[0] if len(rule.match) == 1 else list(rule.match))
        path = [] if rule.path == "*" else [f"path = {json.dumps(rule.path)}"]
        blocks.append("\n".join(["[[rule]]", f"match = {match}", *path, *_lines(rule.wanted)]))
    return "\n\n".join(blocks) + "\n"


def _lines(wanted: Wanted) -> Iterator[str]:
    yield f"strategy = {json.dumps(wanted.strategy)}"
    if wanted.options:
        pairs = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in wanted.options.items())
        yield f"options = {{ {pairs} }}"
