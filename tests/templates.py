"""What many tests begin with is made once in each test process, by the commands that a user types, and then copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import TypeVar

Made = TypeVar("Made")


@dataclass(frozen=True)
class Templates:
    """What was made so far."""

    folder: Path
    made: dict[str, Any] = field(default_factory=dict)
    """what each maker returned, by name"""

    def fill(self, name: str, make: Callable[[], Made], *places: Path) -> Made:
        """Fill folders, in which nothing of the test's own is yet, as ``make`` does; returns what it returns.

        It is called for the first test that asks for this name alone.
        """
        kept = [self.folder / f"{name} {number}" for number in range(len(places))]
        if name in self.made:
            _copy(kept, places)
        else:
            made = make()
            _copy(places, kept)
            self.made[name] = made
        result: Made = deepcopy(self.made[name])
        return result


def _copy(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    for source, target in zip(sources, targets, strict=True):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def make_copyable(git: Callable[..., str]) -> None:
    """Let the index hold for copies of this repository too: of a file's state nothing counts but size and time."""
    git("config", "core.checkStat", "minimal")
    git("config", "core.trustctime", "false")
    for path in git("ls-files", "-z").split("\0")[:-1]:
        os.utime(path, (1e9, 1e9))
    git("update-index", "--refresh")
