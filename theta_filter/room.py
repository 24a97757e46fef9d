"""Whether a checkpoint's file fits on the disk, known before its first byte is written."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_store.checkpoint import StoredCheckpoint


def free_bytes(folder: Path) -> int:
    """How many bytes can be written to this folder, or to the nearest above it that there is."""
    place = next(place for place in chain([folder], folder.parents) if place.exists())
    disk = os.statvfs(place)
    blocks = disk.f_bavail if os.geteuid() else disk.f_bfree  # what is kept back is kept for root
    return blocks * disk.f_frsize


def lacking_room(checkpoint: StoredCheckpoint, room: int | None) -> str | None:
    """Why the file does not fit where so many bytes are free, in words; None if it may, or if that is not known."""
    if room is None:
        return None
    try:
        size = checkpoint.size
    except Failure:
        return None  # whoever restores it will run into the same, and tell
    return f"it needs {size:,} bytes, and {room:,} are free" if size > room else None
