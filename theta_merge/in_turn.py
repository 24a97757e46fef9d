"""Ordinary files of several branches, merged one branch after the other as git's own octopus does.

Checkpoints are left as they are in one version: all their versions are merged together afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.manifest import is_manifest
from theta_git.repository import Repository
from theta_merge.ordinary import CannotMergeTrees
from theta_merge.ordinary import MergedTree
from theta_merge.ordinary import Message
from theta_merge.ordinary import Pair
from theta_merge.ordinary import label
from theta_merge.ordinary import merged_tree


@dataclass(frozen=True, slots=True)
class MergedInTurn:
    """What the merge of ordinary files gives."""

    tree: MergedTree
    """with the conflicts that the last branch left"""
    left: frozenset[str]
    """checkpoints that git would have had to merge: the tree has one version of several"""


def merged_in_turn(commits: Sequence[str], environment: Mapping[str, str], repository: Repository) -> MergedInTurn:
    """Merge commits into the first one; raises :class:`CannotMergeTrees`.

    As with git's own octopus, only the last may conflict.
    """
    head, *remotes = commits
    tree = MergedTree(repository.line("rev-parse", f"{head}^{{tree}}"), (), ())
    left: set[bytes] = set()
    for remote in remotes:
        bases = repository.finished("merge-base", "--all", head, remote).stdout.decode().split()
        merged = merged_tree(Pair(tuple(bases), head, remote), _leaving_checkpoints(environment), repository)
        here = _left(merged, repository)
        tree = _without(here, merged, tree.messages)
        left |= here
        if tree.conflicts and remote != remotes[-1]:
            raise CannotMergeTrees(_too_early(tree, label(remote, environment)))
        identity = ("-c", "user.name=theta", "-c", "user.email=theta")
        head = repository.line(*identity, "commit-tree", "-m", "so far", "-p", head, "-p", remote, tree.oid)
    return MergedInTurn(tree, frozenset(map(os.fsdecode, left)))


def _leaving_checkpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which git keeps ours of every checkpoint that it would have to merge, as a conflict.

    It moves no files into folders that a branch renamed: git's own octopus would not.
    """
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    settings = {"merge.theta.driver": "false", "merge.directoryRenames": "false"}
    more = {"GIT_CONFIG_COUNT": str(count + len(settings))}
    for number, (key, value) in enumerate(settings.items(), start=count):
        more |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**environment, **more}


def _left(merged: MergedTree, repository: Repository) -> set[bytes]:
    """The checkpoints of which ours and theirs met at one path."""
    stages: dict[bytes, set[str]] = {}
    for stage in merged.conflicts:
        stages.setdefault(stage.path, set()).add(stage.number)
    both = (path for path, numbers in stages.items() if {"2", "3"} <= numbers)
    return {path for path in both if is_manifest(repository.blob(f"{merged.oid}:{os.fsdecode(path)}") or b"")}


def _without(checkpoints: set[bytes], merged: MergedTree, before: Sequence[Message]) -> MergedTree:
    """What git told and left open of ordinary files, after what it told before."""
    messages = (message for message in merged.messages if checkpoints.isdisjoint(message.paths))
    conflicts = tuple(stage for stage in merged.conflicts if stage.path not in checkpoints)
    return MergedTree(merged.oid, conflicts, tuple(dict.fromkeys((*before, *messages))))


def _too_early(tree: MergedTree, branch: str) -> str:
    told = [message.text for message in tree.messages if message.text.startswith("CONFLICT")]
    way_out = f"of several branches only the last may conflict in ordinary files; name {branch} last, or merge it alone"
    return "\n".join([*told, way_out])
