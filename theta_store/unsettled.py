"""Checkpoints that a merge left in the working tree while conflicts were open in them: ours stands for these."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from theta_git.repository import Repository

KEPT, OPEN = "kept", "conflicts"
"""keys of a record: the root of what was left in the working tree, and what is open in it"""


@dataclass(frozen=True)
class Unsettled:
    """The records of one working tree."""

    repository: Repository

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.repository.git_dir / "theta" / "conflicts"

    def record(self, checkpoint: str) -> Path:
        """The record of a checkpoint, by its path from the root of the working tree."""
        return self.folder / f"{checkpoint}.json"

    def left_open(self, checkpoint: str, root: str) -> int:
        """How many conflicts are open in a checkpoint of this root, which git still holds for unmerged; 0 if none."""
        try:
            record = json.loads(self.record(checkpoint).read_text())
            count = len(record[OPEN]) if record[KEPT] == root else 0
        except (OSError, ValueError, LookupError, TypeError):
            return 0
        return count if self.repository.output("ls-files", "-u", "--", f":(top,literal){checkpoint}") else 0
