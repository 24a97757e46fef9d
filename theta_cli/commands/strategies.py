"""`git theta strategies`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from strategies.contract import Strategy
from strategies.registry import all_strategies
from strategies.registry import strategy
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="tell everything about one strategy")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """List the strategies, or tell about one."""
    found = [strategy(args.name)] if args.name else list(all_strategies())
    if args.json:
        print_json({"strategies": [_as_json(one) for one in found]})
    elif args.name:
        print(_described(found[0]))
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            print(f"{one.name:<{width}}  {one.summary}")
        print("\n`git theta strategies NAME` tells its options; use one with: git merge --strategy NAME BRANCH")
    return 0


def _described(one: Strategy) -> str:
    lines = [f"{one.name}: {one.summary}", "", f"  {one.formula}", f"  Use it when {one.when}.", f"  Cost: {one.cost}."]
    if one.reference:
        lines.append(f"  Source: {one.reference}")
    if one.options:
        lines += ["", "Options (-X NAME=VALUE):"]
        lines += [f"  {o.name}={o.default}\n      {o.help}; {o.domain}" for o in one.options]
    return "\n".join(lines)


def _as_json(one: Strategy) -> dict[str, object]:
    return {
        "name": one.name,
        "summary": one.summary,
        "formula": one.formula,
        "when": one.when,
        "reference": one.reference,
        "needs_base": one.needs_base,
        "sides": list(one.sides),
        "options": [
            {"name": o.name, "kind": o.kind, "default": o.default, "help": o.help, "takes": o.domain}
            for o in one.options
        ],
    }
