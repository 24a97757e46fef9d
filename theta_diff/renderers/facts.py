"""One sentence for what happened to many groups at once: a model that was cast, names that got a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import percent
from theta_diff.report import Report
from theta_diff.wording import span

_FEW = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence and the (new) names of the groups about which it says all."""

    text: str
    names: frozenset[str]


def facts(report: Report) -> list[Fact]:
    """What can be said at once; of fewer than three groups nothing."""
    return [fact for fact in (*_casts(report), *_renamings(report)) if len(fact.names) >= _FEW]


def _casts(report: Report) -> Iterator[Fact]:
    """Groups that were cast alike, if every group of the old dtype was."""
    kinds: dict[tuple[str, str], set[str]] = {}
    for pair in report.comparison.modified:
        old, new = pair.old.dtype, pair.new.dtype
        if pair.old.shape == pair.new.shape and old in DTYPES and new in DTYPES and DTYPES[old].kind == "float":
            kinds.setdefault((old, new), set()).add(pair.new.name)
    kept = {tensor.dtype for tensor in report.comparison.same}
    for (old, new), names in kinds.items():
        if old != new and old not in kept and not any(left == old and right != new for left, right in kinds):
            yield _cast(report, old, new, names)


def _cast(report: Report, old: str, new: str, names: set[str]) -> Fact:
    plain = {name for name in names if _is_plain(report, name)}
    known = {name: report.changes[name] for name in plain if name in report.changes}
    moved = [change.relative_change for change in known.values() if change.relative_change is not None]
    mark = "≈ " if any(change.estimated for change in known.values()) else ""
    how = ""
    if known and all(change.statistics for change in known.values()):
        how = ", equal after rounding" if DTYPES[new].itemsize < DTYPES[old].itemsize else ", same values"
    elif moved:
        how = f", change {mark}{span(percent(min(moved)), percent(max(moved)))}"
    extent = "the whole model" if len(plain) == len(names) else f"{len(plain)} groups"
    return Fact(f"{extent} cast from {old} to {new} ({len(plain)} groups){how}", frozenset(plain))


def _is_plain(report: Report, name: str) -> bool:
    """Whether nothing but the cast happened, as far as is known."""
    change = report.changes.get(name)
    if not change:
        return True
    if change.nans[1] > change.nans[0] or change.infinities[1] > change.infinities[0]:
        return False
    if change.statistics:
        from theta_diff.bits import is_cast

        return is_cast(change.statistics.facts) or not change.statistics.changed
    return change.relative_change is None or change.relative_change < 0.1


def _renamings(report: Report) -> Iterator[Fact]:
    """Renamed groups by what their names lost and gained."""
    alike: dict[tuple[str, str], set[str]] = {}
    for pair in report.comparison.renamed:
        alike.setdefault(_replaced(pair.old.name, pair.new.name), set()).add(pair.new.name)
    for (lost, gained), names in alike.items():
        if not lost or not gained:
            what = f"gained the prefix {quoted(gained)}" if gained else f"lost the prefix {quoted(lost)}"
        else:
            what = f"renamed: {quoted(lost)} -> {quoted(gained)}"
        yield Fact(f"{len(names)} groups {what}", frozenset(names))


def _replaced(old: str, new: str) -> tuple[str, str]:
    """What the beginning of a name lost and gained."""
    pairs = zip(reversed(old), reversed(new), strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return old[: len(old) - common], new[: len(new) - common]
