"""Files that were read before: a file whose status tells that nothing was written to it since is not read again.

Only for showing what is in it. What goes to git is always told by its bytes: a program that has the file mapped to its
memory may write to it for a while without a trace in its status.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from blake3 import blake3


def state(status: os.stat_result) -> str:
    """A digest of which file it is and when it was last written to, by its status."""
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return blake3(repr(facts).encode()).hexdigest()


def is_settled(status: os.stat_result, folder: Path) -> bool:
    """Whether the status of the file will show whatever is written to it from now on.

    Clocks of file systems go in steps, of up to two seconds, and are not always this machine's. So a file is made in
    ``folder``: if it is later than the last change by the same file system's clock, so is every change to come.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            now = os.fstat(file.fileno())
    except OSError:
        return False
    return now.st_dev == status.st_dev and now.st_ctime_ns > status.st_ctime_ns
