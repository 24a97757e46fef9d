"""take-base: the version both sides started from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.contract import Context
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.contract import always

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, sides: Sequence[Tensor], options: Options, context: Context) -> Tensor:
    """The base."""
    assert base is not None
    return base


STRATEGY = Strategy(
    name="take-base",
    summary="go back to the common ancestor's version",
    formula="R = B",
    when="both changes to these groups should be undone",
    merge=merge,
    needs_base=True,
    elementwise=always,
    selects="base",
    symmetric=True,
    cost="none: no value is read",
)
