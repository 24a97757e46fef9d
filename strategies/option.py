"""Options: what one is called and takes, how a text of it is read, and those that every strategy has."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType
from typing import Any
from typing import Literal

Kind = Literal["float", "int", "bool", "choice"]


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
    meanings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """words that users of other tools know, and which of :attr:`choices` each stands for"""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, then its aliases."""
        return (self.name, *self.aliases)

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
        text = self.meanings.get(text, text)
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
