"""Several branches at once: ordinary files one branch after the other, every version of a checkpoint together."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_git.repository import Repository
from theta_merge.commits import BesideInCommits
from theta_merge.decide import side_name
from theta_merge.history import remember
from theta_merge.menu.asking import Question
from theta_merge.menu.asking import asked
from theta_merge.ordinary import CannotMergeTrees
from theta_merge.ordinary import MergedTree
from theta_merge.ordinary import Pair
from theta_merge.ordinary import merged_tree
from theta_merge.outcome import Versions
from theta_merge.report import conflict_report
from theta_merge.settle import settled
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import chosen
from theta_merge.wishes import preferred
from theta_merge.wishes import wish
from theta_store.store import Store

ABSENT = Manifest("absent", {}, {}, {}, blake3(b"").hexdigest(), {})
"""stands for a side that does not have the file"""


@dataclass(frozen=True)
class Octopus:
    """The merge of several commits into one tree."""

    commits: tuple[str, ...]
    """ours first"""
    environment: Mapping[str, str]
    repository: Repository
    store: Store

    def tree(self) -> tuple[str, list[str]]:
        """The merged tree, and what to tell; raises :class:`CannotMergeTrees` where conflicts would be left.

        The index has no room for the versions of more than two sides, so a conflict ends the merge.
        """
        base = self.repository.finished("merge-base", "--octopus", *self.commits).stdout.decode().strip()
        tree = self._ordinary()
        reports: list[str] = []
        blobs: dict[str, bytes] = {}
        for path in self._checkpoints(base, tree):
            content, told = self._merged(path, base)
            blobs[path] = content
            reports += told
        return self._with(tree, blobs), reports

    def _ordinary(self) -> str:
        """The tree with ordinary files merged; of checkpoints it has some version."""
        head, *remotes = self.commits
        environment = _keeping_ours(self.environment)
        tree = self.repository.line("rev-parse", f"{head}^{{tree}}")
        for remote in remotes:
            bases = self.repository.finished("merge-base", "--all", head, remote).stdout.decode().split()
            merged = merged_tree(Pair(tuple(bases), head, remote), environment, self.repository)
            _refuse_conflicts(merged, remote)
            tree = merged.oid
            identity = ("-c", "user.name=theta", "-c", "user.email=theta")
            parents = ("-p", head, "-p", remote)
            head = self.repository.line(*identity, "commit-tree", "-m", "so far", *parents, tree)
        return tree

    def _checkpoints(self, base: str, tree: str) -> list[str]:
        """The checkpoints of the merged tree that more than one side changed."""
        seen: list[str] = []
        for commit in self.commits:
            start = base or self.repository.line("hash-object", "-t", "tree", os.devnull)
            listed = self.repository.output("diff-tree", "-r", "-z", "--name-only", start, commit)
            seen += listed.decode(errors="surrogateescape").split("\0")[:-1]
        several = sorted(path for path in set(seen) if seen.count(path) > 1)
        return [path for path in several if is_manifest(self.repository.blob(f"{tree}:{path}") or b"")]

    def _merged(self, path: str, base: str) -> tuple[bytes, list[str]]:
        """The merged manifest of one checkpoint."""
        sides = [self._manifest(commit, path) or ABSENT for commit in self.commits]
        before = self._manifest(base, path) if base else None
        versions = Versions(before, tuple(sides), skeletons_in(self.store))
        wanted = wish(path, self.environment, self.repository)
        choices = chosen(wanted, path, versions)
        locate = BesideInCommits(path, self.commits, self.repository, self.store)
        if len(choices) < len(versions.conflicts):
            labels = (f"{side_name(i)}: {name}" for i, name in enumerate(("HEAD", *self._branches)))
            question = Question(f"{path} ({', '.join(labels)})", versions, choices, locate)
            session = asked(question, self.store, self.environment)
            choices = session.choices if session else choices
        result = settled(versions, choices, self.store, preferred(wanted, versions), locate, locate.fetch)
        told = list(conflict_report(path, result, len(versions.decisions)))
        if result.open:
            raise CannotMergeTrees("\n".join([*told[:-1], self._way_out()]))
        content = bytes(result.manifest)
        remember(content, choices, self.repository)
        return content, told

    @property
    def _branches(self) -> list[str]:
        """What the user calls the commits that are merged into ours."""
        return [self.environment.get(f"GITHEAD_{commit}", commit[:12]) for commit in self.commits[1:]]

    def _way_out(self) -> str:
        """What to type, since the index cannot hold conflicts of more than two sides."""
        branches = shlex.join(self._branches)
        return (
            f"nothing was merged; begin again with: git merge --strategy NAME {branches}  (list: git theta strategies)"
        )

    def _manifest(self, commit: str, path: str) -> Manifest | None:
        return manifest_of(self.repository.blob(f"{commit}:{path}") or b"", self.store)

    def _with(self, tree: str, blobs: Mapping[str, bytes]) -> str:
        """The tree with other content at some paths."""
        if not blobs:
            return tree
        with tempfile.TemporaryDirectory(dir=self.repository.git_dir) as folder:
            index = {**self.environment, "GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git(index, "read-tree", tree)
            for path, content in blobs.items():
                oid = self.repository.output("hash-object", "-w", "--stdin", stdin=content).decode().strip()
                mode = self.repository.line("ls-tree", "--format=%(objectmode)", tree, "--", path)
                self._git(index, "update-index", "--cacheinfo", f"{mode},{oid},{path}")
            return self._git(index, "write-tree")

    def _git(self, environment: Mapping[str, str], *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.repository.folder, env=dict(environment), stdout=subprocess.PIPE, check=True
        )
        return done.stdout.decode().strip()


def _keeping_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which git merges checkpoints by keeping ours, without a word.

    It moves no files into folders that a branch renamed: git's own octopus would not.
    """
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    settings = {"merge.theta.driver": "true", "merge.directoryRenames": "false"}
    more = {"GIT_CONFIG_COUNT": str(count + len(settings))}
    for number, (key, value) in enumerate(settings.items(), start=count):
        more |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**environment, **more}


def _refuse_conflicts(merged: MergedTree, remote: str) -> None:
    paths: Sequence[str] = sorted({os.fsdecode(stage.path) for stage in merged.conflicts})
    if paths:
        raise CannotMergeTrees(
            f"{', '.join(paths)}: conflicts with {remote}; several branches at once merge only without conflicts in "
            "ordinary files: merge this one alone"
        )
