"""What a strategy declares, what it is given, and how its options are read.

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
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.pieces import Whole

Options = Mapping[str, Any]
"""Parsed options by name. Inside a merge function what may differ by side is a tuple, one number per side."""

Kind = Literal["float", "int", "bool", "choice"]


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


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a strategy."""

    name: str
    kind: Kind
    default: float | int | bool | str
    help: str
    range: str = "(-inf, inf)"
    """interval of the numbers allowed, round brackets for ends left out"""
    choices: tuple[str, ...] = ()
    """words allowed; for numbers, words allowed beside them"""
    per_side: bool = False
    """takes one number, or one per side with ours first: ``weights=0.7,0.3``"""
    aliases: tuple[str, ...] = ()
    """names that users of other tools know"""

    @property
    def domain(self) -> str:
        """What the option takes, for help and messages."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return " or ".join(self.choices)
        what = f"{' or '.join(self.choices)} or " if self.choices else ""
        what += "a whole number" if self.kind == "int" else "a number"
        bounds = "" if self.range == "(-inf, inf)" else f" in {self.range}"
        return f"{what}{bounds}{', or one per side' if self.per_side else ''}"

    def parse(self, value: object) -> Any:
        """The value an option text stands for; ValueError if it is outside :attr:`domain`."""
        if not self.per_side:
            return self._one(value)
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, Sequence):
            return self._one(parts)
        numbers = tuple(self._one(part) for part in parts)
        return numbers[0] if len(numbers) == 1 else numbers

    def _one(self, value: object) -> Any:
        text = str(value).strip().lower()
        if self.kind == "bool":
            return _TRUTH[text]
        if text in self.choices:
            return text
        if self.kind == "choice":
            raise ValueError(text)
        number = int(text) if self.kind == "int" else float(text)
        if not _inside(number, self.range):
            raise ValueError(text)
        return number


FLOAT32_MAX = (2 - 2**-23) * 2.0**127
"""the largest number that any option takes"""

_TRUTH = MappingProxyType(
    {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
)


def _inside(number: float, interval: str) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    return abs(number) <= FLOAT32_MAX and above and below


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
    """with equal options for every side, their order does not matter (up to the last bits)"""
    side_data: Literal["fisher", "gram"] | None = None
    survey: Callable[[Options], tuple[Pass, ...]] = field(default=lambda options: ())
    """the passes over the whole model that come first under these options"""
    cost: str = "one pass over the values"

    def option(self, name: str) -> Option | None:
        """The option of this name or alias."""
        wanted = name.strip().lower().replace("-", "_")
        return next((o for o in (*self.options, *COMMON) if wanted in (o.name, *o.aliases)), None)


COMMON = (
    Option("allow_nonfinite", "bool", False, "merge tensors that hold NaN or infinity instead of refusing them"),
    Option("shortcuts", "bool", True, "leave out sides equal to base and settle equal sides without arithmetic"),
    Option(
        "device",
        "choice",
        "cpu",
        "where values are computed; the last bits of a result may differ from one to the other",
        choices=("cpu", "cuda"),
    ),
)
"""Options that every strategy takes; :func:`strategies.apply.merged` honours them, but for the device, which is that of
the tensors it is given."""


def always(options: Options) -> bool:
    """For :attr:`Strategy.elementwise` and :attr:`Strategy.ignores_base`: whatever the options."""
    return True


def without_deltas(options: Options) -> bool:
    """For :attr:`Strategy.ignores_base`: unless the changes since base are asked for."""
    return not options["deltas"]


def no_l1_norm(options: Options) -> bool:
    """For :attr:`Strategy.elementwise`: unless the L1 norm of the whole tensor is to be kept."""
    return bool(options["rescale"] != "l1")


def parse_options(strategy: Strategy, given: Mapping[str, object]) -> Options:
    """The full set of options: what was given, as text or as values, checked, and the defaults.

    Raises :class:`BadOption` naming the option, what it takes and the strategy.
    """
    parsed = {option.name: option.default for option in (*strategy.options, *COMMON)}
    seen: dict[str, str] = {}
    for name, value in given.items():
        option = strategy.option(name)
        if option is None:
            raise BadOption(_unknown(strategy, name))
        if option.name in seen:
            raise BadOption(f"strategy {strategy.name!r}: {name!r} and {seen[option.name]!r} are the same option")
        seen[option.name] = name
        try:
            parsed[option.name] = option.parse(value)
        except (ValueError, KeyError, TypeError):
            raise BadOption(
                f"strategy {strategy.name!r}: option {name!r} takes {option.domain}, not {value!r}"
            ) from None
    return MappingProxyType(parsed)


def _unknown(strategy: Strategy, name: str) -> str:
    known = [option.name for option in (*strategy.options, *COMMON)]
    close = get_close_matches(name, known, n=3, cutoff=0.5) or known
    return f"strategy {strategy.name!r} has no option {name!r}; did you mean {', '.join(close)}?"


def check_sides(strategy: Strategy, options: Options, count: int) -> None:
    """Raise unless the strategy and its options fit ``count`` sides; worth doing before any value is read."""
    fewest, most = strategy.sides
    if count < fewest or (most is not None and count > most):
        bound = "exactly" if fewest == most else "at least" if count < fewest else "at most"
        limit = most if bound == "at most" else fewest
        raise MergeError(f"strategy {strategy.name!r} merges {bound} {limit} side{'s'[: limit != 1]}, not {count}")
    for option in strategy.options:
        value = options[option.name]
        if isinstance(value, tuple) and len(value) != count:
            wanted = f"one number, or one per side ({count})"
            raise BadOption(f"strategy {strategy.name!r}: option {option.name!r} takes {wanted}, not {len(value)}")
    options_of_sides(strategy, options, range(count), count)


def options_of_sides(strategy: Strategy, options: Options, sides: Sequence[int], count: int) -> Options:
    """The options as merge functions see them: one number per remaining side wherever sides may differ.

    ``sides`` are those that :func:`strategies.apply.changed_sides` kept of the ``count`` there are.
    """
    narrowed = dict(options)
    for option in strategy.options:
        if option.per_side:
            value = options[option.name]
            numbers = value if isinstance(value, tuple) else (value,) * count
            narrowed[option.name] = tuple(numbers[side] for side in sides)
    if why := strategy.check(narrowed):
        raise BadOption(f"strategy {strategy.name!r}: {why}")
    return MappingProxyType(narrowed)


def no_cancelling_weights(options: Options) -> str | None:
    """For :attr:`Strategy.check`: weights that are to be normalised must not sum to 0."""
    weights = options["weights"]
    if options.get("normalize", True) and abs(sum(weights)) <= 1e-9 * sum(map(abs, weights)):
        return f"option 'weights' takes numbers that do not sum to 0, not {', '.join(f'{w:g}' for w in weights)}"
    return None
