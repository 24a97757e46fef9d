"""The rows of a diff: one for each kind of change of each run of like names. Every renderer shows these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import percent
from theta_diff.change import Change
from theta_diff.change import is_weight
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.folding import folded
from theta_diff.renderers.facts import Fact
from theta_diff.renderers.facts import facts
from theta_diff.report import Report
from theta_diff.wording import ESTIMATE
from theta_diff.wording import cosine_text
from theta_diff.wording import described
from theta_diff.wording import span
from theta_diff.wording import summary
from theta_diff.wording import transition


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a diff, before like names are folded."""

    sign: str
    """``+`` added, ``-`` removed, ``~`` modified, ``>`` renamed"""
    name: str
    what: str
    """dtype and shape, of both versions where they differ"""
    change: Change | None = None
    remark: str = ""
    unknown: bool = False
    """whether it could be measured if its sketches or values were here"""


@dataclass(frozen=True, slots=True)
class Row:
    """One or more tensors that changed alike."""

    name: str
    """possibly folded: ``layer.{0..11}.weight``; not yet fit for a terminal"""
    entries: tuple[Entry, ...]

    @property
    def sign(self) -> str:
        """The sign of every entry."""
        return self.entries[0].sign

    @property
    def what(self) -> str:
        """Dtype and shape of every entry."""
        return self.entries[0].what

    @property
    def remark(self) -> str:
        """What there is to say of every entry."""
        return self.entries[0].remark

    @property
    def changes(self) -> list[Change]:
        """What is known of how far they moved."""
        return [entry.change for entry in self.entries if entry.change]

    @property
    def furthest(self) -> float | None:
        """The largest relative change."""
        return max((c.relative_change for c in self.changes if c.relative_change is not None and c.moved), default=None)


def rows(report: Report) -> tuple[list[Fact], list[Row]]:
    """Facts about many groups at once, and the rows of all groups that no fact covers."""
    known = facts(report)
    covered = {name for fact in known for name in fact.names}
    rest = (entry for entry in entries(report) if entry.name not in covered)
    folds = folded(rest, lambda entry: entry.name, lambda entry: (entry.sign, entry.what, entry.remark, entry.unknown))
    return known, [Row(fold.name, fold.items) for fold in folds]


def measures(row: Row) -> Iterator[str]:
    """``change ≈ 0.8 % … 1.4 %``, ``cosine ≈ 0.9998`` and ``max |Δ| 0.1``; ``change ?`` where nothing is known."""
    changes = [change for change in row.changes if change.moved]
    mark = f"{ESTIMATE} " if any(change.estimated for change in changes) else ""
    moved = [change.relative_change for change in changes if change.relative_change is not None]
    if moved:
        yield f"change {mark}{span(percent(min(moved)), percent(max(moved)))}"
    elif any(change.from_zero for change in changes):
        yield "change from all zeros"
    elif row.entries[0].unknown:
        yield "change ?"
    cosines = [change.cosine for change in changes if change.cosine is not None]
    if cosines:
        yield f"cosine {mark}{span(cosine_text(min(cosines)), cosine_text(max(cosines)))}"
    largest = [change.max_abs for change in changes if change.max_abs is not None]
    if largest:
        yield f"max |Δ| {max(largest):.2g}"


def summed_up(report: Report) -> str:
    """One line: how many groups of each kind, and how far the modified weights moved, all taken together."""
    text = summary(report.comparison, report.opaque)
    pairs = [pair for pair in report.comparison.modified if is_weight(pair)]
    changes = [report.changes[pair.new.name] for pair in pairs if pair.new.name in report.changes]
    distances = [change.distance for change in changes if change.distance is not None]
    norm = math.hypot(*(change.norm for change in changes if change.norm is not None))
    if len(distances) < max(2, len(pairs)) or not norm:
        return text
    moved = math.hypot(*distances) / norm
    mark = f"{ESTIMATE} " if any(change.estimated for change in changes) else ""
    return f"{text}, which changed by {mark}{percent(moved)} together"


def remark(pair: Pair, change: Change | None) -> str:
    """What is alarming or special about one modified group."""
    if not change:
        return ""
    numbers = (("NaN", *change.nans), ("inf", *change.infinities))
    alarms = [f"{word}: {old} -> {new}" for word, old, new in numbers if old or new]
    return "; ".join([*alarms, *_verdict(pair, change)])


def _alarm(change: Change | None) -> str:
    """What is alarming about an added group."""
    counts = (("NaN", change.nans[1]), ("inf", change.infinities[1])) if change else ()
    return "; ".join(f"{word}: {count}" for word, count in counts if count)


def _verdict(pair: Pair, change: Change) -> Iterator[str]:
    if change.statistics:
        from theta_diff.verdict import verdict

        yield from filter(None, [verdict(pair, change.statistics)])


def entries(report: Report) -> Iterator[Entry]:
    """Every group that differs."""
    comparison, unknown = report.comparison, report.unknown
    for tensor in comparison.removed:
        yield Entry("-", tensor.name, _tensor(tensor))
    for tensor in comparison.added:
        yield Entry("+", tensor.name, _tensor(tensor), remark=_alarm(report.changes.get(tensor.name)))
    for pair in comparison.renamed:
        yield Entry(">", pair.new.name, _tensor(pair.new), remark=f"renamed from {quoted(pair.old.name)}")
    for pair in comparison.modified:
        change = report.changes.get(pair.new.name)
        yield Entry(
            "~", pair.new.name, transition(pair), change, remark(pair, change), unknown=pair.new.name in unknown
        )


def _tensor(tensor: NamedTensor) -> str:
    return described(tensor) + (f" = {quoted(tensor.owner)}" if tensor.owner else "")
