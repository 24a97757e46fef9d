"""Several branches at once: ordinary files one branch after the other, every version of a checkpoint together."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_git.commits import written_blob
from theta_git.own_index import own_index
from theta_git.repository import Repository
from theta_merge.choosing import chosen_or_asked
from theta_merge.commits import BesideInCommits
from theta_merge.decide import Open
from theta_merge.decide import side_name
from theta_merge.history import remember
from theta_merge.in_turn import MergedInTurn
from theta_merge.in_turn import merged_in_turn
from theta_merge.ordinary import CannotMergeTrees
from theta_merge.ordinary import MergedTree
from theta_merge.ordinary import label
from theta_merge.outcome import Versions
from theta_merge.paths import Followed
from theta_merge.paths import changed_by_several
from theta_merge.report import conflict_report
from theta_merge.report import counted
from theta_merge.report import listed
from theta_merge.settle import settled
from theta_merge.sources import ABSENT
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import preferred
from theta_merge.wishes import wish
from theta_store.store import Store


@dataclass(frozen=True)
class Octopus:
    """The merge of several commits into one tree."""

    commits: tuple[str, ...]
    """ours first"""
    environment: Mapping[str, str]
    repository: Repository
    store: Store

    def tree(self) -> tuple[MergedTree, list[str]]:
        """The merged tree, and what to tell of its checkpoints; raises :class:`CannotMergeTrees`.

        As with git's own octopus, ordinary files may conflict with the last commit alone. The index has no room for
        the versions of more than two sides: a checkpoint that nothing settles ends the merge.
        """
        base = self.repository.finished("merge-base", "--octopus", *self.commits).stdout.decode().strip()
        ordinary = merged_in_turn(self.commits, self.environment, self.repository)
        reports: list[str] = []
        blobs: dict[str, bytes] = {}
        for file in self._checkpoints(base, ordinary):
            content, told = self._merged(file, base)
            blobs[file.after] = content
            reports += told
        return replace(ordinary.tree, oid=self._with(ordinary.tree.oid, blobs)), reports

    def _checkpoints(self, base: str, ordinary: MergedInTurn) -> list[Followed]:
        """The checkpoints of the merged tree that more than one side changed."""
        tree, conflicts = ordinary.tree.oid, {os.fsdecode(stage.path) for stage in ordinary.tree.conflicts}
        found = [
            file
            for file in changed_by_several(base, self.commits, self.repository)
            if conflicts.isdisjoint(file.paths) and is_manifest(self.repository.blob(f"{tree}:{file.after}") or b"")
        ]
        if others := ordinary.left.difference(*(file.paths for file in found)):
            why = "several branches changed it, and one deleted it or renamed it out of sight"
            raise CannotMergeTrees(f"{min(others)}: {why}; merge the branches one after the other")
        return found

    def _merged(self, file: Followed, base: str) -> tuple[bytes, list[str]]:
        """The merged manifest of one checkpoint."""
        path = file.after
        sides = [self._manifest(file.blob(commit, self.repository)) or ABSENT for commit in self.commits]
        before = self._manifest(self.repository.blob(f"{base}:{file.before}")) if base else None
        versions = Versions(before, tuple(sides), skeletons_in(self.store))
        wanted = wish(path, self.environment, self.repository)
        locate = BesideInCommits(path, self.commits, self.repository, self.store)
        labels = (f"{side_name(i)}: {name}" for i, name in enumerate(("HEAD", *self._branches)))
        choices = chosen_or_asked(f"{path} ({', '.join(labels)})", wanted, versions, locate, self.environment)
        result = settled(versions, choices, self.store, preferred(wanted, versions), locate, locate.fetch)
        if result.open:
            raise CannotMergeTrees("\n".join(self._refusal(path, result.open, len(versions.decisions))))
        content = bytes(result.manifest)
        remember(content, choices, self.repository)
        return content, list(conflict_report(path, result, len(versions.decisions)))

    @property
    def _branches(self) -> list[str]:
        """What the user calls the commits that are merged into ours."""
        return [label(commit, self.environment) for commit in self.commits[1:]]

    def _refusal(self, path: str, left: Sequence[Open], total: int) -> Iterator[str]:
        """What is open and what to type, since the index cannot hold conflicts of more than two sides."""
        found = counted([item.conflict for item in left], total)
        yield f"{path}: {found} in conflict, and with several branches nothing can stay so"
        yield from listed(left)
        command = f"git merge --strategy NAME {shlex.join(self._branches)}"
        yield "nothing was merged, and what was chosen is remembered"
        yield f"begin again with: {command}  (list: git theta strategies)"

    def _manifest(self, blob: bytes | None) -> Manifest | None:
        return manifest_of(blob or b"", self.store)

    def _with(self, tree: str, blobs: Mapping[str, bytes]) -> str:
        """The tree with other content at some paths."""
        if not blobs:
            return tree
        with own_index(self.repository, tree) as apart:
            for path, content in blobs.items():
                mode = apart.line("ls-tree", "--format=%(objectmode)", tree, "--", path)
                apart.output("update-index", "--cacheinfo", f"{mode},{written_blob(apart, content)},{path}")
            return apart.line("write-tree")
