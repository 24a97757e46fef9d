"""Short forms of a diff: a line for each group, for each file, or names alone."""

from __future__ import annotations

from collections.abc import Iterator

from theta_diff.folding import natural_order
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.rows import Row
from theta_diff.renderers.rows import entries
from theta_diff.renderers.rows import summed_up
from theta_diff.renderers.terminal import table
from theta_diff.report import Report
from theta_git.path_text import git_path


def stat(report: Report, palette: Palette) -> Iterator[str]:
    """A line for each group that differs, nothing folded, and the summary."""
    found = sorted(entries(report), key=lambda entry: natural_order(entry.name))
    yield palette.paint("meta", f" {git_path(report.new)}")
    yield from table([Row(entry.name, (entry,)) for entry in found], palette, flat=True)
    yield palette.paint("frag", summed_up(report))


def one_line(report: Report) -> str:
    """``model.pt: 3 groups modified, 190 unchanged; ...``."""
    return f"{git_path(report.new)}: {summed_up(report)}"


def group_names(report: Report) -> list[str]:
    """The names of all groups that differ, of renamed ones the new name."""
    return sorted((entry.name for entry in entries(report)), key=natural_order)
