"""Words that several messages share."""

from __future__ import annotations


def side_name(side: int) -> str:
    """How messages call a side."""
    return ("ours", "theirs")[side] if side < 2 else f"side {side + 1}"
