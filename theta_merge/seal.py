"""Seals: a checksum in each JSON record that is kept, so that no flipped bit in it is taken for a choice."""

from __future__ import annotations

import json
from collections.abc import Mapping

from blake3 import blake3

KEY = "check"


def sealed(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts with their seal."""
    return {**facts, KEY: _seal(facts)}


def opened(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts without their seal; raises ValueError where it is not theirs."""
    rest = {key: value for key, value in facts.items() if key != KEY}
    if facts.get(KEY) != _seal(rest):
        raise ValueError("not as it was written")
    return rest


def _seal(facts: Mapping[str, object]) -> str:
    return blake3(json.dumps(facts, sort_keys=True).encode()).hexdigest(8)
