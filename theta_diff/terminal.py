"""The diff as lines for a terminal or a pager: signs and words say all, colour only repeats it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.manifest import quoted
from theta_diff.change import Change
from theta_diff.colours import Palette
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.folding import Fold
from theta_diff.folding import folded
from theta_diff.report import Report

_MAX_PAD = 72
ESTIMATE = "≈"


@dataclass(frozen=True, slots=True)
class _Line:
    """One tensor of the diff, before lines with like names are folded."""

    sign: str
    name: str
    what: str
    """dtype and shape, of both versions where they differ"""
    change: Change | None = None
    remark: str = ""


def lines(report: Report, palette: Palette) -> Iterator[str]:
    """The body of the diff of one file, without line ends: what changed, then one line that sums it up."""
    comparison = report.comparison
    if comparison.formats:
        yield palette.paint("changed", "~ format  {} -> {}".format(*comparison.formats))
    for change in comparison.values:
        yield _value_line(change.name, change.old, change.new, palette)
    rows = folded(_tensor_lines(report), lambda line: line.name, _kind)
    width = min(_MAX_PAD, max((len(quoted(row.name)) for row in rows), default=0))
    for row in rows:
        yield _row(row, width, palette)
    for sign, word, ties in (("=", "tied to", comparison.tied), ("≠", "no longer tied to", comparison.untied)):
        for name, owner in ties:
            yield palette.paint("changed", f"{sign} {quoted(name)}  {word} {quoted(owner)}")
    yield palette.paint("frag", summary(report))
    for note in report.notes:
        yield palette.paint("dim", f"({note})")


def summary(report: Report) -> str:
    """One line: ``3 groups modified, 1 added, 190 unchanged; 28.3 M of 109.5 M parameters in modified groups``."""
    comparison = report.comparison
    if comparison.is_empty:
        return "no difference"
    if comparison.other_bytes:
        return "every group and value is equal; only how the file stores them differs"
    text = _counts(comparison) or "no group differs"
    moved = {pair.new.digest: pair.new.parameters for pair in comparison.modified}
    if moved and not report.opaque:
        text += f"; {_amount(sum(moved.values()))} of {_amount(comparison.parameters)} parameters in modified groups"
    return text


def _counts(comparison: Comparison) -> str:
    counts = {
        "modified": len(comparison.modified),
        "added": len(comparison.added),
        "removed": len(comparison.removed),
        "renamed": len(comparison.renamed),
        "unchanged": comparison.unchanged,
    }
    words = [(number, word) for word, number in counts.items() if number]
    if not words:
        return ""
    first, *rest = words
    noun = "group" if first[0] == 1 else "groups"
    return ", ".join([f"{first[0]} {noun} {first[1]}", *(f"{number} {word}" for number, word in rest)])


def _tensor_lines(report: Report) -> Iterator[_Line]:
    comparison = report.comparison
    for tensor in comparison.removed:
        yield _Line("-", tensor.name, _described(tensor))
    for tensor in comparison.added:
        yield _Line("+", tensor.name, _described(tensor))
    for pair in comparison.renamed:
        yield _Line(">", pair.new.name, _described(pair.new), remark=f"renamed from {quoted(pair.old.name)}")
    for pair in comparison.modified:
        change = report.changes.get(pair.new.name)
        yield _Line("~", pair.new.name, _transition(pair), None if report.opaque else change, _remark(pair, change))


def _kind(line: _Line) -> tuple[str, ...]:
    """Lines of one kind may be folded; NaN that came or went always has a line of its own."""
    return line.sign, line.what, line.remark


def _transition(pair: Pair) -> str:
    old, new = _described(pair.old), _described(pair.new)
    return new if old == new else f"{old} -> {new}"


def _described(tensor: NamedTensor) -> str:
    owner = f" = {quoted(tensor.owner)}" if tensor.owner else ""
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]{owner}"


def _remark(pair: Pair, change: Change | None) -> str:
    if not change:
        return ""
    counts = (("NaN", *change.nans), ("inf", *change.infinities))
    alarms = [f"{word}: {old} -> {new}" for word, old, new in counts if old or new]
    return "; ".join([*alarms, *_verdict(pair, change)])


def _verdict(pair: Pair, change: Change) -> Iterator[str]:
    if change.statistics:
        from theta_diff.verdict import verdict

        yield from filter(None, [verdict(pair, change.statistics)])


def _row(row: Fold[_Line], width: int, palette: Palette) -> str:
    first = row.items[0]
    changes = [item.change for item in row.items if item.change]
    cells = [f"{first.sign} {quoted(row.name).ljust(width)}", first.what, *_measures(changes), first.remark]
    slot = {"-": "old", "+": "new"}.get(first.sign, "changed")
    text = palette.paint(slot, cells[0].rstrip()) + " " * (len(cells[0]) - len(cells[0].rstrip()))
    text += "  " + "  ".join(cell for cell in cells[1:] if cell)
    return text + (palette.paint("dim", f"  ({len(row.items)} groups)") if len(row.items) > 1 else "")


def _measures(changes: Sequence[Change]) -> Iterator[str]:
    """``change ≈ 0.8 % … 1.4 %`` and ``cosine ≈ 0.9998`` of the groups in one row."""
    moved = [change.relative_change for change in changes if change.relative_change is not None]
    mark = f"{ESTIMATE} " if any(change.estimated for change in changes) else ""
    if moved:
        yield f"change {mark}{_span(percent(min(moved)), percent(max(moved)))}"
    elif any(change.from_zero for change in changes):
        yield "change from all zeros"
    cosines = [change.cosine for change in changes if change.cosine is not None]
    if cosines:
        yield f"cosine {mark}{_span(cosine_text(min(cosines)), cosine_text(max(cosines)))}"
    largest = [change.max_abs for change in changes if change.max_abs is not None]
    if largest:
        yield f"max |Δ| {max(largest):.2g}"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} … {high}"


def percent(share: float) -> str:
    """A share with two significant digits: ``12 %``, ``0.031 %``."""
    if share >= 10:
        return f"{share:.3g} times"
    scaled = share * 100
    if scaled < 1e-4:
        return "0 %" if not scaled else "< 0.0001 %"
    decimals = max(0, 1 - math.floor(math.log10(scaled)))
    return f"{scaled:.{decimals}f} %"


def cosine_text(cosine: float) -> str:
    """A cosine with as many digits as tell it from 1."""
    gap = 1 - abs(cosine)
    if gap < 1e-8:
        return f"{cosine:.0f}"
    return f"{cosine:.{min(8, max(2, 1 - math.floor(math.log10(gap))))}f}"


def _amount(count: int) -> str:
    """A number of parameters: ``768``, ``28.3 M``."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 10 * factor or (count >= factor and unit != "k"):
            return f"{count / factor:.1f} {unit}"
    return str(count)


def _value_line(name: str, old: str | None, new: str | None, palette: Palette) -> str:
    if old is None:
        return palette.paint("new", f"+ {quoted(name)}  {printable(new or '')}")
    if new is None:
        return palette.paint("old", f"- {quoted(name)}  {printable(old)}")
    return palette.paint("changed", f"~ {quoted(name)}  {printable(old)} -> {printable(new)}")


def printable(text: str) -> str:
    """The text with everything a terminal might obey written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def joined(texts: Iterable[str]) -> str:
    """Lines as one text."""
    return "".join(f"{text}\n" for text in texts)
