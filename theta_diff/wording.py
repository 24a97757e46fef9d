"""Numbers, names and counts as a reader wants them."""

from __future__ import annotations

import math
import re

from theta_checkpoint.printable import printable
from theta_diff.compare import Comparison
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair

ESTIMATE = "≈"


def cosine_text(cosine: float) -> str:
    """A cosine with as many digits as tell it from 1."""
    gap = 1 - abs(cosine)
    if gap < 1e-8:
        return f"{cosine:.0f}"
    digits = min(8, max(2, 1 - math.floor(math.log10(gap))))
    return f"{round(cosine, digits) + 0.0:.{digits}f}"  # no -0.00


def amount(count: int) -> str:
    """A number of parameters: ``768``, ``28.3 M``."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 10 * factor or (count >= factor and unit != "k"):
            return f"{count / factor:.1f} {unit}"
    return str(count)


def span(low: str, high: str) -> str:
    """``0.8 % … 1.4 %``, or one of them where they are equal."""
    return low if low == high else f"{low} … {high}"


def value_text(text: str) -> str:
    """The text of a value as a reader wants it: printable, with the beginnings of digests only."""
    return re.sub(r"\bblake3:([0-9a-f]{10})[0-9a-f]{54}\b", r"blake3:\1", printable(text))


def described(tensor: NamedTensor) -> str:
    """``F32[768,768]``."""
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"


def transition(pair: Pair) -> str:
    """Dtype and shape of both versions, once where they are equal."""
    old, new = described(pair.old), described(pair.new)
    return new if old == new else f"{old} -> {new}"


def counts(comparison: Comparison) -> str:
    """``3 groups modified, 1 added, 190 unchanged``; empty where there are no groups at all."""
    found = {
        "modified": len(comparison.modified),
        "added": len(comparison.added),
        "removed": len(comparison.removed),
        "renamed": len(comparison.renamed),
        "unchanged": comparison.unchanged,
    }
    words = [f"{number} {word}" for word, number in found.items() if number]
    if not words:
        return ""
    number, word = words[0].split()
    return ", ".join([f"{number} {'group' if number == '1' else 'groups'} {word}", *words[1:]])


def summary(comparison: Comparison, opaque: bool = False) -> str:
    """One line: ``3 groups modified, 1 added, 190 unchanged; 28.3 M of 109.5 M parameters in modified groups``."""
    if comparison.is_empty:
        return "no difference"
    if comparison.other_bytes:
        return "every group and value is equal; only how the file stores them differs"
    text = counts(comparison) or "no group differs"
    if comparison.modified and not opaque:
        moved, total = amount(comparison.moved_parameters), amount(comparison.parameters)
        text += f"; {moved} of {total} parameters in modified groups"
    return text
