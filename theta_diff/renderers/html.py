"""The diff as one self-contained HTML page: readable without a network and without its script."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from html import escape

from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import percent
from theta_checkpoint.printable import printable
from theta_diff.histograms import Histogram
from theta_diff.renderers.heatmap import HeatMap
from theta_diff.renderers.heatmap import heat_maps
from theta_diff.renderers.heatmap import level
from theta_diff.renderers.html_assets import SCRIPT
from theta_diff.renderers.html_assets import STYLE
from theta_diff.renderers.rows import Entry
from theta_diff.renderers.rows import Row
from theta_diff.renderers.rows import measures
from theta_diff.renderers.rows import rows
from theta_diff.renderers.rows import summed_up
from theta_diff.renderers.tree import Branch
from theta_diff.renderers.tree import branches
from theta_diff.report import Report
from theta_diff.statistics import Statistics
from theta_diff.wording import value_text

_WORDS = {"+": "added", "-": "removed", "~": "modified", ">": "renamed"}
_WIDTH, _HEIGHT = 260, 90
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(reports: Sequence[Report]) -> str:
    """The whole page."""
    title = ", ".join(printable(report.new) for report in reports) or "no checkpoint differs"
    body = "".join("".join(_section(report)) for report in reports)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>What changed: {escape(title)}</h1>"
        '<input id="search" type="search" placeholder="Search groups" aria-label="Search groups">'
        f"{body}<script>{SCRIPT}</script></body></html>\n"
    )


def _section(report: Report) -> Iterator[str]:
    comparison = report.comparison
    facts, changed = rows(report)
    yield f"<section><h2>{_text(report.new)}</h2>"
    yield f"<p><strong>{_text(summed_up(report))}</strong></p><ul>"
    if comparison.formats:
        yield _item("format: {} → {}".format(*comparison.formats))
    for value in comparison.values:
        old, new = ("absent" if text is None else value_text(text) for text in (value.old, value.new))
        yield _item(f"{quoted(value.name)}: {old} → {new}")
    yield from (_item(fact.text) for fact in facts)
    yield from (_item(f"{name} is now tied to {owner}") for name, owner in comparison.tied)
    yield from (_item(f"{name} is no longer tied to {owner}") for name, owner in comparison.untied)
    yield from (_item(note) for note in report.notes)
    yield "</ul>"
    for grid in heat_maps(report):
        yield from _heat(grid)
    yield from (_branch(branch) for branch in branches(changed))
    yield "</section>"


def _branch(branch: Branch) -> str:
    indent = f'style="margin-left:{1.2 * branch.depth:.1f}rem"'
    if not branch.row:
        return f'<div class="module" {indent}>{_text(branch.label)}</div>'
    return _row(branch.row, branch.label, indent)


def _row(row: Row, label: str, indent: str) -> str:
    word = _WORDS[row.sign]
    count = f' <span class="dim">{len(row.entries)} groups</span>' if len(row.entries) > 1 else ""
    alarm = ' class="alarm"' if "NaN:" in row.remark or "inf:" in row.remark else ""
    moved = row.furthest
    bar = "<span></span>"
    if moved is not None:
        bar = f'<span class="bar"><i style="width:{100 * level(moved):.0f}%"></i></span>'
    facts = "".join(f"<span>{_text(fact)}</span>" for fact in measures(row))
    searched = " ".join([word, row.name, row.what, row.remark, *(entry.name for entry in row.entries)])
    return (
        f'<details class="row {word}" data-text="{_text(searched)}" {indent}><summary><span class="sign">{word}</span>'
        f'<span><span class="name">{_text(label)}</span>{count}</span><code>{_text(row.what)}</code>{bar}'
        f'<span class="facts">{facts}<span{alarm}>{_text(row.remark)}</span></span></summary>'
        f"{''.join(map(_entry, row.entries))}</details>"
    )


def _entry(entry: Entry) -> str:
    statistics = entry.change.statistics if entry.change else None
    inside = _charts(statistics) + _numbers(statistics) if statistics else ""
    return f'<div class="entry"><code>{_text(entry.name)}</code>{inside}</div>'


def _charts(statistics: Statistics) -> str:
    found = statistics.histograms
    if not found:
        return ""
    keys = '<span class="key-old">before</span> and <span class="key-new">after</span>'
    both = _chart({"old": found.old, "new": found.new}, keys)
    return f'<div class="charts">{both}{_chart({"delta": found.delta}, "Δ")}</div>'


def _chart(histograms: dict[str, Histogram], caption: str) -> str:
    first = next(iter(histograms.values()))
    top = max(max(histogram.counts) for histogram in histograms.values()) or 1
    lines = "".join(_polyline(name, histogram, top) for name, histogram in histograms.items())
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{lines}</svg>'
        f"<figcaption>{caption}: {first.low:.3g} … {first.high:.3g}</figcaption></figure>"
    )


def _polyline(name: str, histogram: Histogram, top: int) -> str:
    step = _WIDTH / len(histogram.counts)
    points = (
        f"{(index + 0.5) * step:.1f},{_HEIGHT - 4 - (_HEIGHT - 8) * count / top:.1f}"
        for index, count in enumerate(histogram.counts)
    )
    return f'<polyline class="{name}" points="{" ".join(points)}"/>'


def _numbers(statistics: Statistics) -> str:
    names = [field.name for field in dataclasses.fields(statistics.old)]
    head = "".join(f"<td>{name}</td>" for name in names)
    sides = (("before", statistics.old), ("after", statistics.new))
    lines = (f"<tr><th>{word}</th>{''.join(_cell(getattr(s, name)) for name in names)}</tr>" for word, s in sides)
    share = percent(statistics.changed / max(1, statistics.elements))
    where = f", furthest at {list(statistics.max_at)}" if statistics.max_at is not None else ""
    told = f"{statistics.changed} of {statistics.elements} elements changed ({share}){where}"
    spectrum = statistics.spectrum
    if spectrum:
        rank = f"rank {spectrum.rank}, " if spectrum.rank is not None else ""
        told += f"; {rank}90 % of the change in {spectrum.directions} of {spectrum.of} directions"
    return f"<p>{_text(told)}</p><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _cell(number: float | None) -> str:
    return f"<td>{'–' if number is None else f'{number:.4g}'}</td>"


def _heat(grid: HeatMap) -> Iterator[str]:
    yield '<div class="scroll"><table><tr><th>layer</th>'
    yield "".join(f"<td>{layer}</td>" for layer in grid.layers)
    yield "</tr>"
    for kind in grid.kinds:
        yield f"<tr><th>{_text(kind)}</th>{''.join(_heat_cells(kind, grid))}</tr>"
    yield "</table></div>"


def _heat_cells(kind: str, grid: HeatMap) -> Iterable[str]:
    for layer in grid.layers:
        value = grid.cells.get((kind, layer), " ")
        if isinstance(value, str):
            yield f"<td>{value}</td>"
        else:
            yield f'<td style="background:rgba(var(--heat),{0.9 * level(value):.2f})">{percent(value)}</td>'


def _item(text: str) -> str:
    return f"<li>{_text(text)}</li>"


def _text(text: str) -> str:
    return escape(printable(text))
