"""A file that stays open for as long as someone may read from it."""

from __future__ import annotations

import os
from pathlib import Path

from theta_checkpoint.layout import FileSource


class OpenFile(FileSource):
    """A source over a path; the file is closed when the source is forgotten."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def __del__(self) -> None:
        os.close(self.fd)
