"""The diff as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import printable
from theta_diff.renderers.rows import Row
from theta_diff.renderers.rows import measures
from theta_diff.renderers.rows import rows
from theta_diff.renderers.rows import summed_up
from theta_diff.report import Report
from theta_diff.wording import value_text

_MANY = 20
"""rows from which the table is folded away"""
_MAX_ROWS = 500
"""a forge refuses comments beyond some 65,000 characters"""
_WORDS = {"+": "added", "-": "removed", "~": "modified", ">": "renamed"}


def text(reports: Iterable[Report]) -> str:
    """All files, one section each."""
    return "\n".join("\n".join(_section(report)) + "\n" for report in reports) or "No checkpoint differs.\n"


def _section(report: Report) -> Iterator[str]:
    comparison = report.comparison
    yield f"### {_code(report.new)}"
    yield ""
    yield f"**{summed_up(report)}**"
    facts, changed = rows(report)
    sentences = [fact.text for fact in facts]
    if comparison.formats:
        sentences.insert(0, "format: {} → {}".format(*comparison.formats))
    for change in comparison.values:
        old, new = (_code(value_text(value)) if value is not None else "absent" for value in (change.old, change.new))
        sentences.append(f"{_code(change.name)}: {old} → {new}")
    sentences += [f"{_code(name)} is now tied to {_code(owner)}" for name, owner in comparison.tied]
    sentences += [f"{_code(name)} is no longer tied to {_code(owner)}" for name, owner in comparison.untied]
    if sentences:
        yield ""
        yield from (f"- {sentence if '`' in sentence else _plain(sentence)}" for sentence in sentences)
    if changed:
        yield ""
        yield from _table(changed)
    if report.notes:
        yield ""
        yield from (f"> {_plain(note)}" for note in report.notes)


def _table(changed: Sequence[Row]) -> Iterator[str]:
    if len(changed) > _MANY:
        yield f"<details><summary>{len(changed)} rows</summary>"
        yield ""
    yield "| | group | dtype and shape | how far | what |"
    yield "| --- | --- | --- | --- | --- |"
    yield from map(_row, changed[:_MAX_ROWS])
    if len(changed) > _MAX_ROWS:
        yield f"| | … and {len(changed) - _MAX_ROWS} more rows | | | |"
    if len(changed) > _MANY:
        yield ""
        yield "</details>"


def _row(row: Row) -> str:
    count = f" ({len(row.entries)} groups)" if len(row.entries) > 1 else ""
    cells = (
        _WORDS[row.sign],
        _code(row.name) + count,
        _code(row.what),
        _plain(", ".join(measures(row))),
        _plain(row.remark),
    )
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Text as code, in which nothing but a backtick or a table's bar means anything."""
    shown = (quoted(text) if not text.isprintable() else text).replace("|", "\\|")
    return f"`{shown}`" if "`" not in shown else f"`` {shown} ``"


def _plain(text: str) -> str:
    """Text in which no character is markup."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|" else c for c in escaped)
