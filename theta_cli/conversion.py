"""Blobs of checkpoints: from plain files, git-lfs pointers and git-theta to manifests, and back."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import FileSource
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_cli.from_git_theta import GitThetaImport
from theta_git import attributes
from theta_git.history import is_attributes
from theta_git.repository import GitFailed
from theta_git.repository import Repository
from theta_store import git_theta
from theta_store.capture import captured
from theta_store.checkpoint import StoredCheckpoint
from theta_store.git_theta import Parameter
from theta_store.identify import identified
from theta_store.restore import restored
from theta_store.store import Store

_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\nsize \d+\n")
_MAX_POINTER = 1024
"""bytes; as git-lfs has it"""


_NO_FILTER = "!filter !diff !merge !text"


class LfsObjectMissing(Failure):
    """A git-lfs pointer whose file is not here."""


@dataclass
class Conversion:
    """One conversion of the files that match patterns; each blob is converted once."""

    repository: Repository
    patterns: Sequence[str]
    attributes: str | None
    """what they are given in attributes files; None for nothing"""
    convert: Callable[[Conversion, str, str], str]
    """path and blob id to another blob id"""
    done: dict[str, str] = field(default_factory=dict)
    """blob id by blob id"""
    latest: dict[str, Manifest] = field(default_factory=dict)
    """the last manifest of each path, which the next version may lean on"""
    new_files: set[str] = field(default_factory=set)
    """blob ids of manifests whose checkpoint is another file than before, since only its parameters were stored"""

    @cached_property
    def store(self) -> Store:
        """Where values go."""
        return Store.at(self.repository.theta_dir)

    @cached_property
    def lfs_objects(self) -> Path:
        """Where git-lfs keeps its objects."""
        return self.repository.common_dir / (self.repository.config("lfs.storage") or "lfs") / "objects"

    @cached_property
    def git_theta(self) -> GitThetaImport:
        """What takes over checkpoints of git-theta."""
        return GitThetaImport(self.repository, self.store, self.lfs_objects)

    def file(self, path: str, blob: str) -> str:
        """The blob that takes the place of one, which is itself unless the path matches or has attributes for it."""
        if is_attributes(path):
            return self.nested_attributes(os.path.dirname(path), blob) if "/" in path else blob
        if not self.is_meant(path):
            return blob
        if blob not in self.done:
            self.done[blob] = self.convert(self, path, blob)
        return self.done[blob]

    def is_meant(self, path: str) -> bool:
        """Whether a pattern means this file."""
        return any(attributes.matches(pattern, path) for pattern in self.patterns)

    def root_attributes(self, blob: str | None) -> str:
        """The blob that takes the place of the ``.gitattributes`` at the root, or of none."""
        return _changed_attributes(self.repository, blob, self.patterns, self.attributes)

    def nested_attributes(self, folder: str, blob: str) -> str:
        """The same of one in a folder, which stays if it gives no file a filter: it is stronger than the root's."""
        patterns = [inside for pattern in self.patterns if (inside := attributes.below(pattern, folder))]
        if not patterns or b"filter" not in (self.repository.blob(blob) or b""):
            return blob
        return _changed_attributes(self.repository, blob, patterns, self.attributes)


def to_theta(conversion: Conversion, path: str, blob: str) -> str:
    """The manifest of a plain file, git-lfs pointer or text of git-theta, its values stored.

    A manifest stays, and so does an empty file, which has none.
    """
    repository = conversion.repository
    with tempfile.TemporaryFile() as content:
        _copy_blob(repository, blob, content)
        head = os.pread(content.fileno(), git_theta.ENOUGH, 0)
        if not head or is_manifest(head):
            return blob
        if git_theta.seems(head) and (parameters := git_theta.parameters(repository.blob(blob) or b"")):
            return _from_git_theta(conversion, path, parameters)
        pointer = _POINTER.fullmatch(head) if len(head) <= _MAX_POINTER else None
        with _lfs_file(conversion, path, pointer[1].decode()) if pointer else content as file:
            source = FileSource(file.fileno())
            found = identified(source)
            manifest = captured(source, found, conversion.store, conversion.latest.get(path))
    conversion.latest[path] = manifest
    return _written(repository, [bytes(manifest)])


def _from_git_theta(conversion: Conversion, path: str, parameters: Mapping[str, Parameter]) -> str:
    parts = conversion.git_theta.manifest(path, parameters, conversion.latest.get(path))
    with tempfile.TemporaryFile() as file:
        file.writelines(restored(StoredCheckpoint(parts, conversion.store.objects)))
        file.flush()
        source = FileSource(file.fileno())
        # what git add will make of the file, to the last byte: it must not show as modified
        manifest = captured(source, identified(source), conversion.store, parts)
    conversion.latest[path] = manifest
    made = _written(conversion.repository, [bytes(manifest)])
    conversion.new_files.add(made)
    return made


def to_plain(conversion: Conversion, path: str, blob: str) -> str:
    """The checkpoint file itself, as an ordinary blob."""
    manifest = _manifest(conversion.repository, blob)
    if not manifest:
        return blob
    return _written(conversion.repository, restored(StoredCheckpoint(manifest, conversion.store.objects)))


def to_lfs(conversion: Conversion, path: str, blob: str) -> str:
    """A git-lfs pointer to the checkpoint file, which is put where git-lfs keeps its objects."""
    manifest = _manifest(conversion.repository, blob)
    if not manifest:
        return blob
    conversion.lfs_objects.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=conversion.lfs_objects, delete=False) as file:
        hasher, size = hashlib.sha256(), 0
        for piece in restored(StoredCheckpoint(manifest, conversion.store.objects)):
            hasher.update(piece)
            size += file.write(piece)
    oid = hasher.hexdigest()
    place = conversion.lfs_objects / oid[:2] / oid[2:4] / oid
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file.name, place)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
    return _written(conversion.repository, [pointer.encode()])


def _changed_attributes(repository: Repository, blob: str | None, patterns: Sequence[str], line: str | None) -> str:
    text = (repository.blob(blob) or b"" if blob else b"").decode("utf-8", "surrogateescape")
    return _written(repository, [attributes_text(text, patterns, line).encode("utf-8", "surrogateescape")])


def attributes_text(text: str, patterns: Sequence[str], line: str | None) -> str:
    """An attributes file in which the patterns have the attributes ``line``, or no filter at all.

    Files that were tracked by a line with another pattern lose its attributes by one of their own.
    """
    names = {attributes.written(pattern) for pattern in patterns}
    lines = text.splitlines()
    own = [one for one in lines if one.split()[:1] and one.split()[0] in names and "filter=" in one]
    kept = [one for one in lines if one not in own]
    others = not own and any("filter=theta" in one for one in kept)
    line = line or (_NO_FILTER if others else None)
    added = [f"{name} {line}" for name in sorted(names)] if line else []
    return "".join(f"{one}\n" for one in [*kept, *added])


def _lfs_file(conversion: Conversion, path: str, oid: str) -> BinaryIO:
    try:
        return (conversion.lfs_objects / oid[:2] / oid[2:4] / oid).open("rb")
    except FileNotFoundError:
        raise LfsObjectMissing(f"{path}: its git-lfs object is not here; first: git lfs fetch --all") from None


def holds_pointer(file: Path) -> bool:
    """Whether a file of the working tree holds git-lfs's text instead of its own, as after GIT_LFS_SKIP_SMUDGE."""
    return file.is_file() and file.stat().st_size <= _MAX_POINTER and bool(_POINTER.fullmatch(file.read_bytes()))


def _manifest(repository: Repository, blob: str) -> Manifest | None:
    text = repository.blob(blob)
    return parse(text) if text and is_manifest(text) else None


def _copy_blob(repository: Repository, blob: str, file: BinaryIO) -> None:
    subprocess.run(["git", "cat-file", "blob", blob], cwd=repository.folder, stdout=file, check=True)
    file.flush()


def _written(repository: Repository, pieces: Iterable[bytes]) -> str:
    """The id of a new blob, written piece by piece."""
    command = ["git", "hash-object", "-w", "--stdin", "--no-filters"]
    with subprocess.Popen(command, cwd=repository.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.writelines(pieces)
        process.stdin.close()
        oid = process.stdout.read().decode().strip()
    if process.returncode:
        raise GitFailed(tuple(command[1:]), "it failed; nothing was changed")
    return oid
