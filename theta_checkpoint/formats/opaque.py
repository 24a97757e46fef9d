"""A file that no other format understands: one group of bytes."""

from __future__ import annotations

from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source

NAME = "opaque"


def layout(source: Source, warning: str | None = None) -> Layout:
    """The whole file as the group ``content`` of dtype U8, with the reason why."""
    return Layout(NAME, (Group("content", "U8", (source.size,), 0, source.size),), warning=warning)
