"""``theta.load``: a committed checkpoint as a mapping whose values are read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from typing import Literal

from theta.paths import path_in_tree
from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Alias
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_git.repository import Repository
from theta_store.arrays import shaped_array
from theta_store.checkpoint import StoredCheckpoint
from theta_store.needed import objects_of
from theta_store.objects import MissingObject
from theta_store.remotes.chosen import default_remote
from theta_store.store import Store

Framework = Literal["torch", "numpy"]


class NotACheckpoint(Failure):
    """There is no checkpoint at that path in that commit."""


@dataclass(frozen=True, repr=False)
class Loaded(Mapping[str, Any]):
    """Group name to tensor. Each access reads the value anew and verifies it; nothing is kept in memory."""

    checkpoint: StoredCheckpoint
    names: tuple[str, ...]
    framework: Framework
    repository: Repository

    @property
    def manifest(self) -> Manifest:
        """What is known without reading values: dtypes, shapes, digests, and values that are no tensors."""
        return self.checkpoint.manifest

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        manifest = self.manifest
        tensor: Tensor | Alias = manifest.groups.get(name) or manifest.aliases[name]
        owner, offset = (tensor.owner, tensor.offset) if isinstance(tensor, Alias) else (name, 0)
        self._fetch(owner)
        raw = b"".join(self.checkpoint.chunks(owner))
        return _tensor(raw[offset:], tensor, self.framework)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<{len(self)} groups of a {self.manifest.format} checkpoint, root {self.manifest.root[:12]}>"

    def _fetch(self, owner: str) -> None:
        """Fetch the objects of all names at once, if one of this group's is not here."""
        objects = self.checkpoint.objects
        needed = objects_of(self.manifest, [_literal(owner)])
        if all(map(objects.has, needed)):
            return
        owners = {tied.owner for name, tied in self.manifest.aliases.items() if name in self.names}
        wanted = objects_of(self.manifest, map(_literal, owners.union(self.names)))
        lacking = [oid for oid in wanted if not objects.has(oid)]
        remote = default_remote(self.repository, objects)
        failures = remote.fetch(lacking, lambda done, total: None)
        if failed := needed & failures.keys():
            error = MissingObject(min(failed))
            why = failures[min(failed)]
            error.args = (f"group {owner}: {remote.title}: {why}; nothing is lost; see what is with: git theta fetch",)
            raise error


def load(
    rev: str,
    path: str | os.PathLike[str],
    groups: str | Iterable[str] | None = None,
    *,
    framework: Framework = "torch",
    repository: str | os.PathLike[str] = ".",
) -> Loaded:
    """A checkpoint as it is in a commit.

    Args:
        rev: any commit that git understands, such as ``"HEAD"`` or ``"main~3"``.
        path: of the checkpoint, from the folder ``repository``.
        groups: glob patterns; only groups whose names match one are in the result. All by default.
        framework: ``"torch"`` or ``"numpy"`` (bfloat16 and float8 then are ml_dtypes types).
        repository: a folder of the repository.

    Values that are not here are fetched from the branch's remote, all of the chosen groups at once. Raises
    :class:`NotACheckpoint`; reading a value raises :class:`theta_store.objects.MissingObject` and
    :class:`theta_store.objects.CorruptObject`.

    Example:
        >>> theta.load("main", "model.safetensors", "encoder.*")["encoder.weight"].shape  # doctest: +SKIP
        torch.Size([768, 768])
    """
    git = Repository(Path(repository))
    place = path_in_tree(git, path)
    text = git.blob(f"{rev}:{place}")
    if text is None or not is_manifest(text):
        raise NotACheckpoint(f"{rev}:{place}: {_lack(git, rev, text)}")
    manifest = parse(text)
    names = sorted(manifest.groups.keys() | manifest.aliases.keys())
    patterns = [groups] if isinstance(groups, str) else list(groups) if groups is not None else ["*"]
    chosen = tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
    return Loaded(StoredCheckpoint(manifest, Store.at(git.theta_dir).objects), chosen, framework, git)


def _lack(git: Repository, rev: str, text: bytes | None) -> str:
    if text is not None:
        return "the file is not tracked by theta"
    found = git.finished("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{tree}}").returncode == 0
    return "there is no file" if found else "there is no such revision"


def _literal(name: str) -> str:
    """The pattern that matches this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _tensor(raw: bytes, tensor: Tensor | Alias, framework: Framework) -> Any:
    if framework == "numpy":
        return shaped_array(_exactly(raw, tensor), tensor.dtype, tensor.shape, tensor.strides)
    from theta.tensors import torch_tensor

    return torch_tensor(_exactly(raw, tensor), tensor.dtype, tensor.shape, tensor.strides)


def _exactly(raw: bytes, tensor: Tensor | Alias) -> bytes:
    """The bytes of a C-ordered tensor; for any other order, all there are."""
    from theta_checkpoint.dtypes import DTYPES
    from theta_checkpoint.layout import element_count

    return raw if tensor.strides else raw[: element_count(tensor.shape) * DTYPES[tensor.dtype].itemsize]
