"""The memory of one process: what it frees it takes again, instead of new memory, of which the system clears each page.

By itself, glibc gives back to the system each chunk of a tensor's size as it is freed, and restoring a checkpoint needs
hundreds, one after the other. Source: mallopt(3).
"""

from __future__ import annotations

import contextlib
import ctypes

from theta_store.chunks import MAX_CHUNK

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3


def keep_what_is_freed() -> None:
    """Hold on to freed memory, a few chunks per thread at most; nothing changes where the C library is another one."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 2 * MAX_CHUNK)
        mallopt(_TRIM_THRESHOLD, 4 * MAX_CHUNK)
