"""`git theta strategies`."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterable
from collections.abc import Iterator
from textwrap import fill

from strategies.contract import Strategy
from strategies.document import SYMBOLS
from strategies.document import help_of
from strategies.document import needs
from strategies.document import options_of
from strategies.document import shown_default
from strategies.option import COMMON
from strategies.option import Option
from strategies.registry import aliases
from strategies.registry import all_strategies
from strategies.registry import strategy
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="describe this strategy")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """List the strategies, or tell about one."""
    found = [strategy(args.name)] if args.name else list(all_strategies())
    if args.json:
        print_json({"strategies": [_facts(one) for one in found]})
    elif args.name:
        print("\n".join(_described(found[0], _width())))
    else:
        print("\n".join(_listed(found, _width())))
    return 0


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _listed(strategies: Iterable[Strategy], width: int) -> Iterator[str]:
    families: dict[str, list[Strategy]] = {}
    for one in strategies:
        families.setdefault(_family(one), []).append(one)
    column = max(len(one.name) for family in families.values() for one in family) + 2
    for heading, members in families.items():
        yield heading
        for one in members:
            yield _entry(f"  {one.name}", one.summary, column + 2, width)
        yield ""
    yield "all about one:   git theta strategies NAME"
    yield "merge with one:  git merge --strategy NAME [-X OPTION=VALUE] BRANCH"


def _family(one: Strategy) -> str:
    """What kind of thing a strategy works on."""
    if one.selects:
        return "Take one version as it is"
    if one.side_data or one.products:
        return "Need a file beside each checkpoint"
    if one.needs_base:
        return "Merge what each side changed since base"
    return "Merge the values themselves"


def _described(one: Strategy, width: int) -> Iterator[str]:
    yield fill(f"{one.name}: {one.summary}", width, subsequent_indent="  ")
    yield ""
    yield fill(one.formula, width, initial_indent="    ", subsequent_indent="    ")
    yield fill(f"({SYMBOLS})", width, initial_indent="    ", subsequent_indent="    ")
    yield ""
    also = ", ".join(aliases(one.name))
    facts = {"when": one.when, "needs": needs(one), "cost": one.cost, "source": one.reference, "also": also}
    yield from (_entry(name, fact, 8, width) for name, fact in facts.items() if fact)
    own, modifiers = options_of(one)
    yield from _options("Options", own, width)
    yield from _options("Modifiers of the merged change", modifiers, width)
    if not one.selects:
        yield from _options("Options of every strategy", COMMON, width)
    yield ""
    yield f"Use it: git merge --strategy {one.name}{' -X OPTION=VALUE' if own else ''} BRANCH"


def _options(heading: str, options: Iterable[Option], width: int) -> Iterator[str]:
    entries = {f"  {o.name}={shown_default(o.default)}": f"{help_of(o)}. Takes {o.domain}." for o in options}
    if entries:
        column = max(map(len, entries)) + 2
        yield ""
        yield f"{heading}:"
        yield from (_entry(name, text, column, width) for name, text in entries.items())


def _entry(name: str, text: str, column: int, width: int) -> str:
    """A name and what is to be said of it, beside each other."""
    return fill(
        f"{name:<{column}}{text}",
        max(width, column + 20),
        subsequent_indent=" " * column,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _facts(one: Strategy) -> dict[str, object]:
    return {
        "name": one.name,
        "summary": one.summary,
        "formula": one.formula,
        "when": one.when,
        "reference": one.reference,
        "needs": needs(one),
        "needs_base": one.needs_base,
        "sides": list(one.sides),
        "options": [
            {
                "name": o.name,
                "aliases": list(o.aliases),
                "kind": o.kind,
                "default": o.default,
                "help": o.help,
                "takes": o.domain,
            }
            for o in one.all_options
        ],
    }
