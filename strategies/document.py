"""The catalogue as a page: ``python -m strategies.document > docs/strategies.md``."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator

from strategies.contract import Strategy
from strategies.option import COMMON
from strategies.option import Option
from strategies.registry import built_in_strategies
from strategies.task_vectors import MODIFIERS

SYMBOLS = "B is base, X_i the sides (ours first), d_i = X_i - B their changes, w_i the weights, R the result"
"""in the formulas"""

INTRODUCTION = """\
# Strategies

How several versions of one parameter group become one. This page is written by `python -m strategies.document`.

`B` is base, `X_i` are the sides (ours first), `d_i = X_i - B`, `w_i` the weights, `R` the result. Every strategy
first settles what needs no arithmetic, bit for bit: sides equal to base are left out, and if those that remain are
equal, or one alone remains, that version is the result. The rest is computed in float32 (float64 if a version is)
and rounded once, to the dtype of base. Integer, boolean and complex groups are never averaged:
take one side.

Methods on changes do badly where one side changed far more than another (DisTaC, ICLR 2026): where the norms of all
their changes differ by more than a factor of 3, the merge is done and says so.

Names and options are understood as mergekit and the papers spell them: `dare_ties`, `TIES-Merging`, `linear`,
`ramplus_tl`, `lambda`, `rescale=true`. An option of mergekit that a strategy does not need, such as `int8_mask`, is
refused with the reason.
"""

MODIFIERS_INTRODUCTION = """\
## Modifiers

Options of every strategy whose formula starts with `R = B +` and that lists `scale`: they change the merged change
before it is added to base. `svc` is singular value calibration (arXiv:2602.05536), `lines` is LiNeS (arXiv:2410.17146).
"""

COMMON_INTRODUCTION = """\
## Options of every strategy
"""


def page(strategies: Iterable[Strategy]) -> str:
    """The whole page, Markdown."""
    shown = tuple(strategies)
    parts = [INTRODUCTION, _overview(shown), *map(section, shown)]
    parts += [MODIFIERS_INTRODUCTION + "\n" + _table(MODIFIERS), COMMON_INTRODUCTION + "\n" + _table(COMMON)]
    return "\n".join(parts)


def section(strategy: Strategy) -> str:
    """One strategy, Markdown."""
    own, _ = options_of(strategy)
    lines = [f"## {strategy.name}", "", f"{_sentence(strategy.summary)}", "", f"    {strategy.formula}", ""]
    lines += [f"* **when**: {strategy.when}", f"* **needs**: {needs(strategy)}", f"* **cost**: {strategy.cost}"]
    lines += [f"* **source**: {strategy.reference}"] if strategy.reference else []
    lines += ["", _table(own)] if own else [""]
    return "\n".join(lines)


def _overview(strategies: Iterable[Strategy]) -> str:
    rows = [f"| [{each.name}](#{each.name}) | {each.summary} |" for each in strategies]
    return "\n".join(["| strategy | what it does |", "| --- | --- |", *rows, ""])


def _table(options: Iterable[Option]) -> str:
    rows = [f"| `{o.name}` | {o.domain} | {shown_default(o.default)} | {help_of(o)} |" for o in options]
    return "\n".join(["| option | takes | default | |", "| --- | --- | --- | --- |", *rows, ""])


def options_of(strategy: Strategy) -> tuple[list[Option], list[Option]]:
    """The options of a strategy alone, and the modifiers that it shares with others."""
    own = [option for option in strategy.options if option not in MODIFIERS]
    return own, [option for option in strategy.options if option in MODIFIERS]


def help_of(option: Option) -> str:
    """What an option is for, and its other names."""
    also = ", ".join(f"`{alias}`" for alias in option.aliases)
    return f"{option.help} (also {also})" if also else option.help


def shown_default(value: object) -> str:
    """A default as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def needs(strategy: Strategy) -> str:
    """What must be there for a strategy to merge."""
    return "; ".join(_requirements(strategy))


def _requirements(strategy: Strategy) -> Iterator[str]:
    fewest, most = strategy.sides
    if strategy.needs_base:
        yield "base"
    count = f"{fewest} side{'s'[: fewest != 1]}" + ("" if fewest == most else f" to {most}" if most else " or more")
    yield count if strategy.symmetric else f"{count}, whose order matters"
    if strategy.side_data:
        yield {"fisher": "the diagonal Fisher of each side", "gram": "input Grams of each side"}[strategy.side_data]
    if strategy.seeded:
        yield "random draws from `seed`, group and side"
    if strategy.products:
        yield "the LoRA scale of each side, from its `adapter_config.json`"


if __name__ == "__main__":
    print(page(built_in_strategies()), end="")
