"""One side of a diff: what git or the user hands over as one version of a checkpoint."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore
from theta_store.objects import StoreNotWritable
from theta_store.sketches import Sketch
from theta_store.sketches import decoded

if TYPE_CHECKING:
    from theta_store.store import Store

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """One version of a checkpoint."""

    manifest: Manifest
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    """by digest of the group's bytes; empty where none are here"""
    warning: str | None = None
    """why the file was not understood better"""


def from_manifest(manifest: Manifest, theta_dir: Path) -> Side:
    """The version that a manifest stands for; no value is read."""
    if not manifest.sketches:
        return Side(manifest)
    try:
        return Side(manifest, decoded(ObjectStore(theta_dir / "objects").read(manifest.sketches)))
    except (MissingObject, OSError):
        return Side(manifest)


def manifest_in_file(path: Path) -> Manifest | None:
    """The manifest that a file holds instead of a checkpoint; None if it holds none. Raises BadManifest, OSError."""
    with path.open("rb") as file:
        head = file.read(len(HEAD))
        return parse(head + file.read()) if is_manifest(head) else None


def manifest_in_blob(oid: str) -> Manifest | None:
    """The manifest in a blob of the current repository; None for any other blob, however large."""
    with subprocess.Popen(
        ["git", "cat-file", "blob", oid], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as git:
        assert git.stdout
        head = git.stdout.read(len(HEAD))
        if is_manifest(head):
            return parse(head + git.stdout.read())
        git.kill()
    return None


def from_working_file(path: Path, theta_dir: Path) -> Side:
    """The version in a file of the working tree, as the filter would store it.

    Asks first what this clone already knows of the file's bytes; else reads and stores it, or only reads it
    where the store cannot be written to: then there are no sketches.
    """
    from theta_store.store import Store

    store = Store.at(theta_dir)
    known = store.registry.manifest(file_digest(path))
    if known:
        return from_manifest(parse(known), theta_dir)
    return _captured(path, store, theta_dir)


def from_loose_file(path: Path) -> Side:
    """The version in a file that no repository knows; nothing is stored."""
    from theta_store.checkpoint import opened

    with opened(path) as checkpoint:
        return Side(checkpoint.manifest, warning=checkpoint.found.layout.warning)


def file_digest(path: Path) -> str:
    """BLAKE3 of a file's bytes, hexadecimal."""
    from blake3 import blake3

    hasher = blake3(max_threads=blake3.AUTO)
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def _captured(path: Path, store: Store, theta_dir: Path) -> Side:
    from theta_checkpoint.layout import FileSource
    from theta_store.capture import captured
    from theta_store.capture import identified

    with path.open("rb") as file:
        source = FileSource(file.fileno())
        found = identified(source)
        try:
            return from_manifest(captured(source, found, store), theta_dir)
        except StoreNotWritable:
            return Side(found.manifest, warning=found.layout.warning)
