"""Rules that a change must not break, for continuous integration: ``nan``, ``cosine<0.9``, ``frozen:GLOB``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import quoted
from theta_diff.change import Change
from theta_diff.change import is_measurable
from theta_diff.patterns import matcher
from theta_diff.report import Report
from theta_diff.wording import transition

MEASURES = ("relative_change", "cosine", "max_abs")
EVENTS = ("nan", "inf", "added", "removed", "renamed", "dtype", "shape")
HELP = (
    "exit with code 1 and name the groups that break RULE: nan, inf, added, removed, renamed, dtype, shape, "
    "relative_change>X, cosine<X, max_abs>X, or frozen:GLOB for groups that must not change at all; may be repeated"
)


class BadRule(Failure):
    """A rule that nobody can check."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    text: str
    subject: str
    """an event, a measure, or ``frozen``"""
    above: bool = True
    """whether a measure breaks the rule above its bound, else below"""
    bound: float = 0.0
    pattern: str = "*"


def rule(text: str) -> Rule:
    """The rule in a text; raises :class:`BadRule`."""
    subject, colon, pattern = text.partition(":")
    if subject == "frozen" and colon:
        return Rule(text, "frozen", pattern=pattern)
    if text in EVENTS:
        return Rule(text, text)
    comparison = re.fullmatch(r"\s*(\w+)\s*([<>])\s*([0-9.eE+-]+)\s*", text)
    if comparison and comparison[1] in MEASURES:
        try:
            return Rule(text, comparison[1], comparison[2] == ">", float(comparison[3]))
        except ValueError:
            pass
    rules = ", ".join((*EVENTS, *(f"{name}>X or {name}<X" for name in MEASURES), "frozen:GLOB"))
    raise BadRule(f"there is no rule {text!r}; the rules are: {rules}")


def offences(rule: Rule, report: Report) -> Iterator[str]:
    """One line for each group that breaks the rule; what is not known of a group is no reason to let it pass."""
    if rule.subject == "frozen":
        matches = matcher(rule.pattern)
        yield from (f"{quoted(name)} {word}" for name, word in _touched(report) if matches(name))
    elif rule.subject in ("added", "removed", "renamed"):
        yield from (f"{quoted(name)} {word}" for name, word in _touched(report) if word == rule.subject)
    elif rule.subject in ("nan", "inf"):
        yield from _wild_offences(rule, report)
    else:
        yield from _modified_offences(rule, report)


def _touched(report: Report) -> Iterator[tuple[str, str]]:
    comparison = report.comparison
    yield from ((pair.new.name, "modified") for pair in comparison.modified)
    yield from ((tensor.name, "added") for tensor in comparison.added)
    yield from ((tensor.name, "removed") for tensor in comparison.removed)
    yield from ((name, "renamed") for pair in comparison.renamed for name in (pair.old.name, pair.new.name))


def _wild_offences(rule: Rule, report: Report) -> Iterator[str]:
    """Modified and added groups with more NaN (or inf) than before."""
    comparison = report.comparison
    for tensor in (*(pair.new for pair in comparison.modified), *comparison.added):
        change, name = report.changes.get(tensor.name), quoted(tensor.name)
        if change is None:
            if DTYPES[tensor.dtype].kind in ("float", "complex"):
                yield f"{name} {rule.subject} unknown; bring the sketches here with: git theta fetch"
            continue
        before, after = change.nans if rule.subject == "nan" else change.infinities
        if after > before:
            yield f"{name} {'NaN' if rule.subject == 'nan' else 'inf'}: {before} -> {after}"


def _modified_offences(rule: Rule, report: Report) -> Iterator[str]:
    for pair in report.comparison.modified:
        change = report.changes.get(pair.new.name) or Change()
        name = quoted(pair.new.name)
        match rule.subject:
            case "dtype" if pair.old.dtype != pair.new.dtype:
                yield f"{name} {transition(pair)}"
            case "shape" if pair.old.shape != pair.new.shape:
                yield f"{name} {transition(pair)}"
            case measure if measure in MEASURES and is_measurable(pair):
                yield from _beyond(rule, name, change)


def _beyond(rule: Rule, name: str, change: Change) -> Iterator[str]:
    value: float | None = getattr(change, rule.subject)
    if value is None:
        if not (change.from_zero or change.statistics):
            yield f"{name} {rule.subject} unknown; read the values with: --exact"
        elif change.from_zero and rule.subject == "relative_change" and rule.above:
            yield f"{name} changed from all zeros"
    elif value > rule.bound if rule.above else value < rule.bound:
        yield f"{name} {rule.subject} {'≈ ' if change.estimated else ''}{value:.3g}"
