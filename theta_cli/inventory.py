"""The tracked checkpoints of a working tree: their manifests in HEAD, in the index and in the files themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import FileSource
from theta_checkpoint.layout import element_count
from theta_checkpoint.manifest import ANY_VERSION
from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import parse
from theta_git import attributes
from theta_git import trees
from theta_git.repository import Repository
from theta_store.identify import identified


class NotACheckpoint(Failure):
    """A path that was asked for is not tracked."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A path that theta's filter has, and its blobs."""

    path: str
    """from the root of the working tree"""
    head: str | None
    """id of the blob in HEAD"""
    index: str | None
    """id of the blob in the index; None if there is none, or if the file is unmerged"""
    unmerged: tuple[str, ...] = ()
    """ids of the blobs of base, ours and theirs, as far as there are any, where a merge left the file unmerged"""


def tracked(repository: Repository, paths: Sequence[str] = ()) -> list[Tracked]:
    """The tracked checkpoints of HEAD and the index, sorted by path; below ``paths``, if any are given."""
    head = {entry.path: entry.oid for entry in trees.commit_entries(repository, "HEAD")}
    index = trees.index_entries(repository)
    staged = {entry.path: entry.oid for entry in index if not entry.stage}
    stages: dict[str, tuple[str, ...]] = {}
    for entry in index:
        if entry.stage:
            stages[entry.path] = (*stages.get(entry.path, ()), entry.oid)
    every = sorted(head.keys() | staged.keys() | stages.keys())
    filters = attributes.filters(Repository(repository.top), every)
    ours = [path for path in every if filters.get(path) == "theta"]
    chosen = below(repository, ours, paths)
    return [Tracked(path, head.get(path), staged.get(path), stages.get(path, ())) for path in chosen]


def manifests(repository: Repository, oids: Iterable[str | None]) -> dict[str, Manifest | BadManifest]:
    """The manifests among these blobs, by blob id; the error for one that is damaged. An empty file has none stored."""
    wanted = dict.fromkeys(oid for oid in oids if oid)
    stored = {oid: parsed(text) for oid, text in trees.blobs_beginning(repository, wanted, ANY_VERSION)}
    return stored | {oid: identified(BytesSource(b"")).manifest for oid in trees.EMPTY_BLOBS if oid in wanted}


def parsed(text: bytes) -> Manifest | BadManifest:
    """The manifest, or why it is none."""
    try:
        return parse(text)
    except BadManifest as error:
        return error


def changed_files(repository: Repository) -> set[str]:
    """Paths whose file git cannot tell to be as in the index without reading it; deleted ones included."""
    listed = Repository(repository.top).output("diff-files", "-z", "--name-only")
    return {os.fsdecode(name) for name in listed.split(b"\0")[:-1]}


def unadded_files(repository: Repository) -> list[str]:
    """Files that would be checkpoints but are not in the index."""
    top = Repository(repository.top)
    listed = top.output("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")[:-1]
    filters = attributes.filters(top, [os.fsdecode(name) for name in listed])
    return sorted(path for path, name in filters.items() if name == "theta")


def left_behind(repository: Repository, changed: Iterable[str]) -> list[str]:
    """The changed files for which the index holds a manifest though no pattern tracks them, as after `git mv`."""
    suspects = set(changed)
    entries = [entry for entry in trees.index_entries(repository) if entry.path in suspects and not entry.stage]
    ours = attributes.filters(Repository(repository.top), [entry.path for entry in entries])
    paths = {entry.oid: entry.path for entry in entries if ours.get(entry.path) != "theta"}
    return sorted(paths[oid] for oid, _ in trees.blobs_beginning(repository, paths, HEAD))


def file_manifest(path: Path) -> Manifest | None:
    """The manifest of a working-tree file, which may hold the manifest itself; None if there is no file."""
    try:
        with path.open("rb") as file:
            given = manifest_in(path)
            return given if isinstance(given, Manifest) else identified(FileSource(file.fileno())).manifest
    except FileNotFoundError:
        return None


def manifest_in(path: Path) -> Manifest | BadManifest | None:
    """The manifest that a working-tree file holds instead of values; None if it holds something else."""
    return parsed(path.read_bytes()) if holds_manifest(path) else None


def holds_manifest(path: Path) -> bool:
    """Whether the working-tree file holds the manifest instead of the values."""
    try:
        with path.open("rb") as file:
            return file.read(len(HEAD)) == HEAD
    except OSError:
        return False


def hollow_blobs(repository: Repository) -> set[str]:
    """The blobs that are the files of the working tree which hold a manifest instead of the values."""
    if repository.is_bare:
        return set()
    files = [repository.top / entry.path for entry in tracked(repository)]
    return {repository.line("hash-object", "--no-filters", "--", str(file)) for file in files if holds_manifest(file)}


def parameters(manifest: Manifest) -> int:
    """Number of elements of all groups."""
    return sum(element_count(tensor.shape) for tensor in manifest.groups.values())


def value_bytes(manifest: Manifest) -> int:
    """Bytes of all groups in the checkpoint file."""
    sizes: Mapping[str, int] = {name: dtype.itemsize for name, dtype in DTYPES.items()}
    return sum(sizes[tensor.dtype] * element_count(tensor.shape) for tensor in manifest.groups.values())


def below(repository: Repository, ours: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The checkpoints at or below the given paths, all if none are given; an error for a path with none."""
    chosen: dict[str, None] = {} if paths else dict.fromkeys(ours)
    for path in paths:
        inside = os.path.relpath(os.path.realpath(path), os.path.realpath(repository.top))
        found = [name for name in ours if inside == "." or name == inside or name.startswith(f"{inside}/")]
        if not found:
            raise NotACheckpoint(f"{path} is not tracked by theta; to list what is, type: git theta ls-files")
        chosen.update(dict.fromkeys(found))
    return sorted(chosen)
