"""What a strategy declares, what it is given, and how it fails.

Nothing here imports torch, so lists, menus and completions open at once::

    MergeError
      x UnknownStrategy    no such name
      x BadOption          an option that does not exist or a value outside its range
      x CannotMerge        these tensors cannot be merged this way; the caller keeps a conflict
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from strategies.option import COMMON
from strategies.option import Option
from strategies.other_tools import plain

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.pieces import Whole

Options = Mapping[str, Any]
"""Parsed options by name. Inside a merge function what may differ by side is a tuple, one number per side."""


class MergeError(ValueError):
    """The merge that was asked for cannot be done."""


class MergeWarning(UserWarning):
    """The merge was done, but the result is less than was asked for."""


class BadOption(MergeError):
    """An option the strategy does not have, or a value it does not take."""


class CannotMerge(MergeError):
    """These tensors cannot be merged by this strategy: the group stays a conflict."""

    def __init__(self, group: str, why: str) -> None:
        super().__init__(f"group {group!r}: {why}")
        self.group = group


def _warned(group: str, text: str) -> None:
    warnings.warn(f"group {group!r}: {text}", MergeWarning, stacklevel=3)


@dataclass(frozen=True, slots=True)
class Context:
    """What a strategy is told beside the tensors."""

    group: str
    """name of the parameter group"""
    offset: int = 0
    """flat index of the first element given, when the tensors are slices of the group"""
    total: int | None = None
    """elements of the whole group when slices are given; None when the tensors are whole"""
    sides: tuple[int, ...] = ()
    """which of the merge's sides the tensors belong to (0 is ours); filled in when unchanged ones are left out"""
    statistics: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """what :func:`strategies.survey.surveyed` found, for strategies that need to see the whole model first"""
    remark: Callable[[str, str], None] = _warned
    """told, by group and text, what the user should know of a result that is less than was asked for"""
    seen: Any = None
    """what :attr:`Strategy.look` found in the whole group"""
    side_data: tuple[Tensor | None, ...] = ()
    """for each side its diagonal Fisher (shape of the group) or its Gram (in x in); None where its file lacks this
    group, and empty where there are no such files at all"""


Merge = Callable[["Tensor | None", "Sequence[Tensor]", Options, Context], "Tensor"]


Look = Callable[["Whole", Options, Context], Any]
"""what a strategy must know of a whole group, so that every slice of it can then be computed on its own"""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the whole model before any group is merged: every group's summary, then all of them combined."""

    summary: Callable[[Tensor | None, Sequence[Tensor], Options, Context], Any]
    """of one whole group with all its sides; sees the statistics of the passes before in the context"""
    combine: Callable[[Mapping[str, Any], Options, Mapping[str, Any]], Mapping[str, Any]]
    """new statistics from the summaries by group; must not depend on the order of the groups"""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way of making several versions of one parameter group into one."""

    name: str
    summary: str
    """one line"""
    formula: str
    """what is computed, in words and symbols"""
    when: str
    """when to use it"""
    merge: Merge
    """pure function of float tensors of equal shape, all in the compute dtype; see :func:`strategies.apply.merged`"""
    reference: str | None = None
    """paper or other source"""
    options: tuple[Option, ...] = ()
    needs_base: bool = False
    ignores_base: Callable[[Options], bool] = field(default=lambda options: False)
    """whether, under these options, base's values do not matter: then :attr:`merge` gets None, and nobody reads them"""
    sides: tuple[int, int | None] = (1, None)
    """fewest and most sides it can merge"""
    elementwise: Callable[[Options], bool] = field(default=lambda options: False)
    """whether, under these options, any slice may be computed on its own, once :attr:`look` has seen the whole"""
    look: Callable[[Options], Look | None] = field(default=lambda options: None)
    """what, under these options, looks at each whole group first, for :attr:`Context.seen`"""
    check: Callable[[Options], str | None] = field(default=lambda options: None)
    """what is wrong with options that are each in range, one number per side; None if nothing is"""
    selects: Literal["base", "ours", "theirs"] | None = None
    """the version it simply takes: no value needs to be read"""
    products: bool = False
    """merges two groups that are the factors of a product together; :attr:`merge` is for all other groups"""
    seeded: bool = False
    """draws random numbers, from option ``seed``, the group's name and the side"""
    symmetric: bool = False
    """under its default options the order of the sides does not matter (up to the last bits)"""
    side_data: Literal["fisher", "gram"] | None = None
    survey: Callable[[Options], tuple[Pass, ...]] = field(default=lambda options: ())
    """the passes over the whole model that come first under these options"""
    cost: str = "one pass over the values"

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own options, then those that every strategy has."""
        return (*self.options, *COMMON)

    def option(self, name: str) -> Option | None:
        """The option of this name or alias, in the spelling of whatever tool."""
        wanted = plain(name)
        return next((option for option in self.all_options if wanted in map(plain, option.names)), None)


def always(options: Options) -> bool:
    """For :attr:`Strategy.elementwise` and :attr:`Strategy.ignores_base`: whatever the options."""
    return True
