"""Which commits a running git operation merges: where a side's other files are looked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from theta_git.repository import Repository
from theta_merge.side_data import beside
from theta_merge.sources import manifest_of
from theta_merge.wishes import SIDES
from theta_store.checkpoint import Checkpoint
from theta_store.checkpoint import StoredCheckpoint
from theta_store.remotes import Progress
from theta_store.remotes.download import downloaded
from theta_store.store import Store

PSEUDO_REFS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD")


@dataclass(frozen=True)
class BesideInCommits:
    """Side data as it was committed beside a checkpoint, see :class:`theta_merge.side_data.Beside`."""

    path: str
    commits: tuple[str, ...]
    """one per side, as far as they are known"""
    repository: Repository
    store: Store

    def fetch(self, oids: Sequence[str]) -> None:
        """Bring objects here, as far as the remote has them; a failure is told and stops nothing."""
        if why := self.brought(oids):
            print(f"theta: {self.path}: {why}", file=sys.stderr)

    def brought(self, oids: Sequence[str], progress: Progress | None = None) -> str | None:
        """Bring objects here; why not all of them came, None if they did."""
        return downloaded(oids, self.repository, self.store.objects, progress)

    def file(self, name: str, side: int) -> bytes | None:
        """See :meth:`Beside.file`."""
        return self._blob(str(PurePosixPath(self.path).with_name(name)), side)

    def _blob(self, path: str, side: int) -> bytes | None:
        return self.repository.blob(f"{self.commits[side]}:{path}") if side < len(self.commits) else None

    def checkpoint(self, kind: str, side: int) -> Checkpoint | None:
        """See :meth:`Beside.checkpoint`."""
        blob = self._blob(beside(self.path, kind), side)
        manifest = manifest_of(blob, self.store) if blob else None
        return StoredCheckpoint(manifest, self.store.objects) if manifest else None


def side_commits(environment: Mapping[str, str], repository: Repository) -> tuple[str, ...]:
    """The commits of ours, theirs, ... as far as the operation tells; ours alone if it does not."""
    if sides := environment.get(SIDES):
        return tuple(sides.split())
    theirs = [name.removeprefix("GITHEAD_") for name in environment if name.startswith("GITHEAD_")]
    if len(theirs) == 1:
        return ("HEAD", theirs[0])
    found = _rebased(repository) or next((name for name in PSEUDO_REFS if _exists(name, repository)), None)
    return ("HEAD", found) if found else ("HEAD",)


def _rebased(repository: Repository) -> str | None:
    """The commit that a rebase replays at this moment."""
    try:
        last = (repository.git_dir / "rebase-merge" / "done").read_text().splitlines()[-1].split()
    except (OSError, IndexError):
        return None
    return last[1] if len(last) > 1 else None


def _exists(name: str, repository: Repository) -> bool:
    return repository.finished("rev-parse", "--verify", "-q", name).returncode == 0
