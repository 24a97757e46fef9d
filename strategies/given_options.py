"""The options of one merge: what was given for a strategy, checked, and the defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from difflib import get_close_matches
from types import MappingProxyType

from strategies.contract import BadOption
from strategies.contract import MergeError
from strategies.contract import Options
from strategies.contract import Strategy
from strategies.other_tools import UNNEEDED
from strategies.other_tools import plain


def parse_options(strategy: Strategy, given: Mapping[str, object]) -> Options:
    """The full set of options: what was given, as text or as values, checked, and the defaults.

    Raises :class:`BadOption` naming the option, what it takes and the strategy.
    """
    parsed = {option.name: option.default for option in strategy.all_options}
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
    wanted = plain(name)
    if why := UNNEEDED.get(wanted):
        return f"strategy {strategy.name!r} needs no option {name!r}: {why}"
    known = {plain(option.name): option.name for option in strategy.all_options}
    close = [known[each] for each in get_close_matches(wanted, known, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known.values())}"
    return f"strategy {strategy.name!r} has no option {name!r}; {hint}"


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
