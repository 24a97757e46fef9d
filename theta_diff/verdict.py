"""What happened to one tensor, in words."""

from __future__ import annotations

from theta_diff.bits import ROUNDED
from theta_diff.bits import ULP
from theta_diff.bits import WIDENED
from theta_diff.bits import resolution
from theta_diff.compare import Pair
from theta_diff.statistics import Statistics

_PRECISE = 1e-3
"""share of a change that may be left unexplained where it is called a shift or a scale; more for coarse types"""


def verdict(pair: Pair, statistics: Statistics) -> str:
    """The plainest true description of the change; empty where there is nothing special to say."""
    slack = max(_PRECISE, resolution(pair.new.dtype))
    return _cast(pair, statistics, slack) or _plain(statistics, slack)


def _cast(pair: Pair, statistics: Statistics, slack: float) -> str:
    old, new = pair.old.dtype, pair.new.dtype
    if old == new:
        return ""
    if WIDENED in statistics.facts:
        return f"cast to {new}, same values"
    if f"{ROUNDED}{new}" in statistics.facts:
        return f"cast to {new}, equal after rounding"
    if not statistics.changed:
        return f"cast to {new}, same values"
    rest = _plain(statistics, slack)
    return f"cast to {new} and changed" + (f": {rest}" if rest else "")


def _plain(statistics: Statistics, slack: float) -> str:
    if not statistics.changed:
        return "same values, stored in another order"
    if not statistics.distance:
        return f"{statistics.changed} of {statistics.elements} elements, none of them finite"
    rounded = [fact.removeprefix(ROUNDED) for fact in sorted(statistics.facts) if fact.startswith(ROUNDED)]
    if ULP in statistics.facts:
        return "only noise: at most 1 ulp"
    if rounded:
        return f"rounded to {rounded[0]}"
    return _shape_of_change(statistics, slack)


def _shape_of_change(statistics: Statistics, slack: float) -> str:
    if statistics.new.minimum == statistics.new.maximum == 0:
        return "now all zeros"
    if statistics.zero_rows and statistics.zero_rows[1] > statistics.zero_rows[0]:
        died = statistics.zero_rows[1] - statistics.zero_rows[0]
        return f"{died} {'row' if died == 1 else 'rows'} became all zeros"
    if statistics.elements > 1 and statistics.shift_rest < slack * abs(statistics.shift):
        return f"constant shift of {statistics.shift:+.3g}"
    if statistics.elements > 1 and statistics.scale is not None and statistics.scale_rest < slack:
        return f"scaled by {statistics.scale:.4g}"
    return _sparse(statistics) or _low_rank(statistics)


def _sparse(statistics: Statistics) -> str:
    if statistics.rows and statistics.changed_rows and 2 * statistics.changed_rows <= statistics.rows:
        return f"{statistics.changed_rows} of {statistics.rows} rows"
    if 2 * statistics.changed <= statistics.elements:
        return f"{statistics.changed} of {statistics.elements} elements"
    return ""


def _low_rank(statistics: Statistics) -> str:
    spectrum = statistics.spectrum
    if spectrum and spectrum.rank and 2 * spectrum.rank <= spectrum.of:
        return f"rank-{spectrum.rank} update"
    return ""
