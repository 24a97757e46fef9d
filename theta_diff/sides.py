"""One side of a diff: what git or the user hands over as one version of a checkpoint."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_store import sketches
from theta_store.objects import ObjectStore
from theta_store.objects import StoreNotWritable
from theta_store.sketches import Sketch

if TYPE_CHECKING:
    from theta_checkpoint.layout import Source
    from theta_store.checkpoint import Checkpoint
    from theta_store.registry import Registry
    from theta_store.store import Store

ABSENT = "/dev/null"
_PIECE = 4 << 20
_HEAD = 16
"""bytes that tell a manifest from a checkpoint"""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a file as git names it."""

    file: str
    """where its content can be read: a temporary file, a file of the working tree, ``/dev/null``, or empty"""
    oid: str
    """of its blob; all zeros for a file of the working tree, ``.`` for an absent one"""
    mode: str
    """as in ``100644``; ``.`` for an absent one"""

    @property
    def is_absent(self) -> bool:
        """Whether the file does not exist in this version."""
        return self.file == ABSENT and self.mode == "."

    @property
    def has_blob(self) -> bool:
        """Whether the content is (also) an object of the repository."""
        return bool(self.oid.strip("0.")) and not self.is_absent


@dataclass(frozen=True, slots=True)
class Side:
    """One version of a checkpoint."""

    manifest: Manifest
    checkpoint: Callable[[], Checkpoint]
    """gives access to the values; costs imports, so only for who reads them"""
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    """by digest of the group's bytes; empty where none are here"""
    warning: str | None = None
    """why the file was not understood better"""


def side_of(version: Version, theta_dir: Path) -> Side | None:
    """The version; None where it does not exist. Reads as little as will do: a manifest before a checkpoint.

    Raises BadManifest, OSError.
    """
    if version.is_absent:
        return None
    path = Path(version.file)
    manifest = manifest_in_file(path) if version.file else None
    if not manifest and version.has_blob:
        manifest = manifest_in_blob(version.oid)
    if manifest:
        return from_manifest(manifest, theta_dir)
    if not version.file:
        return _from_blob(version.oid)
    return from_file(path) if version.has_blob else from_working_file(path, theta_dir)


def manifest_in_file(path: Path) -> Manifest | None:
    """The manifest that a file holds instead of a checkpoint; None if it holds none. Raises BadManifest, OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        return parse(head + file.read()) if is_manifest(head) else None


def manifest_in_blob(oid: str) -> Manifest | None:
    """The manifest in a blob of the current repository; None for any other blob, however large."""
    with subprocess.Popen(
        ["git", "cat-file", "blob", oid], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as git:
        assert git.stdout
        head = git.stdout.read(_HEAD)
        if is_manifest(head):
            return parse(head + git.stdout.read())
        git.kill()
    return None


def from_manifest(manifest: Manifest, theta_dir: Path) -> Side:
    """The version that a manifest stands for; no value is read."""
    objects = ObjectStore(theta_dir / "objects")

    def checkpoint() -> Checkpoint:
        from theta_store.checkpoint import StoredCheckpoint

        return StoredCheckpoint(manifest, objects)

    return Side(manifest, checkpoint, sketches.stored(manifest.sketches, objects))


def from_file(path: Path) -> Side:
    """The version in a file, read and not stored. Raises OSError."""
    from theta_diff.open_file import OpenFile

    return _read(OpenFile(path))


def from_working_file(path: Path, theta_dir: Path) -> Side:
    """The version in a file of the working tree, as the filter would store it.

    Asks first what this clone already knows of the file's bytes; else reads and stores it, or only reads it
    where the store cannot be written to: then there are no sketches. Raises OSError.
    """
    from theta_store.store import Store

    store = Store.at(theta_dir)
    known = store.registry.manifest(_digest(path, store.registry))
    if known:
        return from_manifest(parse(known), theta_dir)
    try:
        return from_manifest(_captured(path, store), theta_dir)
    except StoreNotWritable:
        return from_file(path)


def _digest(path: Path, registry: Registry) -> str:
    """BLAKE3 of a file's bytes, hexadecimal: as it was found by who read the file last, most often the filter."""
    from blake3 import blake3

    from theta_store.seen import state

    with path.open("rb", buffering=0) as file:
        if digest := registry.content(state(os.fstat(file.fileno()))):
            return digest
        hasher = blake3(max_threads=blake3.AUTO)
        while piece := file.read(_PIECE):
            hasher.update(piece)
        return hasher.hexdigest()


def _captured(path: Path, store: Store) -> Manifest:
    from theta_checkpoint.layout import FileSource
    from theta_store.capture import captured
    from theta_store.identify import identified

    with path.open("rb") as file:
        source = FileSource(file.fileno())
        return captured(source, identified(source), store)


def _from_blob(oid: str) -> Side:
    """The version in a blob that is no manifest: committed before its path was tracked."""
    from theta_checkpoint.layout import BytesSource

    done = subprocess.run(["git", "cat-file", "blob", oid], stdout=subprocess.PIPE, check=True)
    return _read(BytesSource(done.stdout))


def _read(source: Source) -> Side:
    from theta_store.checkpoint import FileCheckpoint
    from theta_store.identify import identified

    found = identified(source)
    checkpoint = FileCheckpoint(found, source)
    return Side(found.manifest, lambda: checkpoint, warning=found.layout.warning)
