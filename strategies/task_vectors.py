"""The one shape of every strategy that works on task vectors: changes since base become one change, added to base.

A strategy gives a function from changes to one change; the modifiers ``svc`` and ``lines`` and the factor ``scale``
come after it, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from strategies.contract import Context
from strategies.contract import Look
from strategies.contract import Merge
from strategies.contract import Options
from strategies.contract import Pass
from strategies.contract import Strategy
from strategies.depth import LINES_OPTIONS
from strategies.depth import combined_lines
from strategies.depth import depth_factor
from strategies.option import FLOAT32_MAX
from strategies.option import Option
from strategies.shared_options import SCALE

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.pieces import Values
    from strategies.pieces import Whole

Delta = Callable[["Sequence[Tensor]", Options, Context], "Tensor"]
"""from the change of each side since base to the merged change"""

SVC_OPTIONS = (
    Option("svc", "bool", False, "calibrate the singular values of the merged change of each matrix"),
    Option(
        "svc_alpha",
        "float",
        "auto",
        "least agreement counted for a side; auto: 1 / number of sides; 1: only shrink",
        "(0, 1]",
        choices=("auto",),
    ),
)
MODIFIERS = (*SVC_OPTIONS, *LINES_OPTIONS)


def task_vector_strategy(
    delta: Delta,
    *,
    options: tuple[Option, ...] = (),
    scale: Option = SCALE,
    elementwise: Callable[[Options], bool] = lambda options: False,
    look: Callable[[Options], Look | None] = lambda options: None,
    survey: Callable[[Options], tuple[Pass, ...]] = lambda options: (),
    **fields: Any,
) -> Strategy:
    """A strategy whose result is ``B + scale * delta(X_i - B)``, with the modifiers among its options."""

    def passes(options: Options) -> tuple[Pass, ...]:
        return (*survey(options), Pass(_lines_summary(delta), combined_lines)) if options["lines"] else survey(options)

    return Strategy(
        merge=_merge(delta),
        options=(*options, scale, *MODIFIERS),
        needs_base=True,
        elementwise=lambda options: not options["svc"] and elementwise(options),
        look=look,
        survey=passes,
        **fields,
    )


def _merge(delta: Delta) -> Merge:
    def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
        assert base is not None
        change = _calibrated(delta, changes(base, sides), options, context)
        factor = options["scale"] * depth_factor(options, context)
        return base.add(change, alpha=min(max(factor, -FLOAT32_MAX), FLOAT32_MAX))

    return merge


def changes(base: Tensor | None, sides: Sequence[Tensor]) -> list[Tensor]:
    """``d_i = X_i - B`` of every side."""
    assert base is not None
    return [side - base for side in sides]


def magnitudes(whole: Whole, side: int) -> Values:
    """``|d_i|`` of one side."""
    return whole.values(side, lambda base, values: changes(base, [values])[0].abs_())


def _calibrated(delta: Delta, deltas: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    change = delta(deltas, options, context)
    if not options["svc"]:
        return change
    from strategies.matrices import calibrated

    return calibrated(change, deltas, options["svc_alpha"])


def _lines_summary(delta: Delta) -> Callable[..., tuple[float, float, int]]:
    def summary(
        base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context
    ) -> tuple[float, float, int]:
        from strategies.reductions import l1_norm

        if options["lines_alpha"] != "auto":
            return 0.0, 0.0, len(sides)
        deltas = changes(base, sides)
        merged = _calibrated(delta, deltas, options, context)
        return l1_norm(sum(deltas[1:], deltas[0])), l1_norm(merged), len(sides)

    return summary
