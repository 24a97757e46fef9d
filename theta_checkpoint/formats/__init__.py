"""Formats: where the tensors lie in a file. One module per format, imported once a file claims to be one."""

from __future__ import annotations

from typing import Protocol

from theta_checkpoint.formats import opaque
from theta_checkpoint.layout import AnotherFormat
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.layout import byte_length

FORMATS = ("safetensors", "pytorch-zip", "pytorch-legacy", "opaque")
MAX_SKELETON = 1 << 30
"""bytes that may lie outside of all groups; the skeleton is held in memory"""
_UNKNOWN = "not a checkpoint format that theta knows"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_LEGACY_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")


class Format(Protocol):
    """What a format module provides."""

    NAME: str
    """as in the manifest"""
    TITLE: str
    """as in a sentence for the user"""

    def layout(self, source: Source) -> Layout:
        """Where the tensors lie; raises :class:`DamagedCheckpoint`."""
        ...


def layout_of(source: Source) -> Layout:
    """Where the tensors lie in this file; its content decides the format, not its name.

    A file that no format knows, that is damaged or beyond the limits is one opaque group, and the warning
    says why. Raises nothing but the OSError of a source that cannot be read.
    """
    head = source.read(0, len(_LFS_POINTER))
    if head == _LFS_POINTER:
        return opaque.layout(source, "a pointer of git-lfs, not the values; to have those, type: git theta migrate")
    claimed = _claimed(head)
    if claimed is None:
        return _whole(source, _UNKNOWN)
    try:
        return _checked(claimed.layout(source), source.size)
    except OSError:
        raise
    except AnotherFormat:
        return _whole(source, _UNKNOWN)
    except Exception as error:  # a hostile file may exhaust memory or recursion anywhere
        why = str(error) if isinstance(error, DamagedCheckpoint) else f"{type(error).__name__}: {error}"
        return _whole(source, f"claims to be {claimed.TITLE}, but {_one_line(why)}")


def _whole(source: Source, why: str) -> Layout:
    return opaque.layout(source, f"{why}; taken whole, as one group")


def _claimed(head: bytes) -> Format | None:
    """The format that a file with these first bytes claims; 32 are enough."""
    if head.startswith(b"PK\3\4"):
        from theta_checkpoint.formats import pytorch_zip

        return pytorch_zip
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head:
        from theta_checkpoint.formats import pytorch_legacy

        return pytorch_legacy
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":
        from theta_checkpoint.formats import safetensors

        return safetensors
    return None


def _checked(layout: Layout, size: int) -> Layout:
    """The layout, once more held against what :class:`Layout` promises."""
    names = [group.name for group in layout.groups] + [alias.name for alias in layout.aliases]
    if len(set(names)) < len(names) or len({value.name for value in layout.values}) < len(layout.values):
        raise DamagedCheckpoint("two of its names are the same")
    position = covered = 0
    for group in sorted(layout.groups, key=lambda group: (group.offset, group.length)):
        if group.length != byte_length(group.dtype, group.shape) or group.offset < 0:
            raise DamagedCheckpoint(f"{group.name[:200]!r} does not have the length of its shape")
        if group.length and group.offset < position:
            raise DamagedCheckpoint("its tensors overlap")
        position = max(position, group.offset + group.length)
        covered += group.length
    if position > size:
        raise DamagedCheckpoint("its tensors reach out of the file")
    if size - covered > MAX_SKELETON:
        raise DamagedCheckpoint(f"{size - covered} of its bytes belong to no tensor")
    return layout


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:300])
