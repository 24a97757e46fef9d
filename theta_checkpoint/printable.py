"""Names, texts and numbers for a terminal."""

from __future__ import annotations

import math


def counted(number: int, noun: str) -> str:
    """``1 group``, ``2 groups``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """The text with everything a terminal might obey written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def percent(share: float) -> str:
    """A share with two significant digits: ``12 %``, ``0.031 %``, ``25 times``."""
    if share >= 10:
        return f"{share:.3g} times"
    scaled = share * 100
    if scaled < 1e-4:
        return "0 %" if not scaled else "< 0.0001 %"
    decimals = max(0, 1 - math.floor(math.log10(float(f"{scaled:.1e}"))))
    return f"{scaled:.{decimals}f} %"
