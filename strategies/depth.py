"""lines: scale a merged change by how deep in the network its group lies.

Wang et al. 2024, LiNeS, arXiv:2410.17146.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from strategies.contract import Context
from strategies.contract import Options
from strategies.option import Option

LINES_OPTIONS = (
    Option("lines", "bool", False, "scale the merged change linearly with the depth of the block it belongs to"),
    Option(
        "lines_alpha",
        "float",
        "auto",
        "factor of the first block and of groups in no block; auto: L1 norm of the summed changes over that of the "
        "merged change, over the number of sides",
        choices=("auto",),
    ),
    Option(
        "lines_beta",
        "float",
        "auto",
        "what the last block gets on top of lines_alpha; auto: 1 - lines_alpha",
        choices=("auto",),
    ),
)

_BLOCK = re.compile(r"(?:(?P<stack>.*?)[./])??(?P<number>[0-9]+)[./]")


def block(group: str) -> tuple[str, int] | None:
    """The stack of blocks a group belongs to and its number in it: ``encoder.layer.3.bias`` -> (encoder.layer, 3)."""
    found = _BLOCK.match(group)
    return (found["stack"] or "", int(found["number"])) if found else None


def stack_depths(groups: Mapping[str, Any]) -> dict[str, int]:
    """The number of blocks of each stack."""
    depths: dict[str, int] = {}
    for place in filter(None, map(block, groups)):
        depths[place[0]] = max(depths.get(place[0], 0), place[1] + 1)
    return depths


def depth_factor(options: Options, context: Context) -> float:
    """``alpha + beta l / (L - 1)`` for block ``l`` of ``L``, ``alpha`` outside blocks; 1 without ``lines``."""
    if not options["lines"]:
        return 1.0
    found = context.statistics["lines"]
    alpha = found["alpha"] if options["lines_alpha"] == "auto" else options["lines_alpha"]
    beta = 1.0 - alpha if options["lines_beta"] == "auto" else options["lines_beta"]
    place = block(context.group)
    depth = found["depths"].get(place[0], 1) if place else 1
    return float(alpha + beta * place[1] / (depth - 1) if place and depth > 1 else alpha)


def combined_lines(
    summaries: Mapping[str, tuple[float, float, int]], options: Options, before: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Statistics from every group's L1 norm of the summed changes, of the merged change, and number of sides."""
    summed, merged, sides = zip(*summaries.values(), strict=True)
    whole = math.fsum(merged)
    alpha = math.fsum(summed) / whole / max(sides) if whole else 1.0
    return {"lines": {"depths": stack_depths(summaries), "alpha": alpha}}
