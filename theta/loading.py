"""``theta.load``: a committed checkpoint as a mapping whose values are read when they are asked for."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any
from typing import BinaryIO
from typing import Literal
from typing import cast
from typing import get_args

from theta.paths import path_in_tree
from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import byte_length
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_git.repository import Repository
from theta_store.arrays import shaped_array
from theta_store.chains import needed
from theta_store.checkpoint import StoredCheckpoint
from theta_store.needed import objects_of
from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore
from theta_store.remotes.sources import brought
from theta_store.restore import restored
from theta_store.store import Store

Framework = Literal["torch", "numpy"]


class NotACheckpoint(Failure):
    """There is no checkpoint at that path in that commit."""


class NoSuchGroup(Failure):
    """No group of the checkpoint has a name that was asked for."""


@dataclass(frozen=True, repr=False)
class Loaded(Mapping[str, Any]):
    """Group name to tensor. Each access reads the value anew and verifies it; nothing is kept in memory."""

    checkpoint: StoredCheckpoint
    names: Mapping[str, str]
    """each name here, and that in the checkpoint"""
    framework: Framework
    repository: Repository

    @property
    def manifest(self) -> Manifest:
        """What is known without reading values: dtypes, shapes, digests, and values that are no tensors."""
        return self.checkpoint.manifest

    def within(self, entry: str) -> Loaded:
        """The groups of one entry of nested dictionaries, under the names they have there.

        Raises :class:`NoSuchGroup`.

        Example:
            >>> model.load_state_dict(theta.load("main", "run.pt").within("model"))  # doctest: +SKIP
        """
        front = f"{entry}/"
        inner = {name.removeprefix(front): full for name, full in self.names.items() if name.startswith(front)}
        if not inner:
            raise NoSuchGroup(f"no group is within {entry!r}; there are: {_some(self.names)}")
        return replace(self, names=inner)

    def __getitem__(self, name: str) -> Any:
        full = self.names[name]
        manifest = self.manifest
        tensor: Tensor | Alias = manifest.groups.get(full) or manifest.aliases[full]
        owner, offset = (tensor.owner, tensor.offset) if isinstance(tensor, Alias) else (full, 0)
        self._fetch(owner)
        raw = bytearray().join(self.checkpoint.chunks(owner))
        return _tensor(raw[offset:] if offset else raw, tensor, self.framework)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<{len(self)} groups of a {self.manifest.format} checkpoint, root {self.manifest.root[:12]}>"

    def _fetch(self, owner: str) -> None:
        """Fetch the objects of all names at once, if one of this group's is not here."""
        objects = self.checkpoint.objects
        here = self._objects([owner])
        if all(map(objects.has, here)):
            return
        aliases = self.manifest.aliases
        owners = {aliases[full].owner if full in aliases else full for full in self.names.values()}
        _fetch(self.repository, objects, self._objects(owners) | here, here, f"group {owner}")

    def _objects(self, owners: Iterable[str]) -> set[str]:
        groups = self.manifest.groups
        recipes = needed(self.manifest.recipes, [groups[owner].digest for owner in owners]).values()
        return {oid for recipe in recipes for oid in recipe.oids}


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
            A name itself is a pattern too, whatever characters it has.
        framework: ``"torch"`` or ``"numpy"`` (bfloat16 and float8 then are ml_dtypes types).
        repository: a folder of the repository.

    Values that are not here are fetched from the branch's remote, all of the chosen groups at once. Raises
    :class:`NotACheckpoint`, and :class:`NoSuchGroup` for a pattern that nothing matches, as a misspelt one; reading a
    value raises :class:`theta_store.objects.MissingObject` and
    :class:`theta_store.objects.CorruptObject`.

    Example:
        >>> theta.load("main", "model.safetensors", "encoder.*")["encoder.weight"].shape  # doctest: +SKIP
        torch.Size([768, 768])
    """
    if framework not in get_args(Framework):
        raise ValueError(f"framework is {' or '.join(map(repr, get_args(Framework)))}, not {framework!r}")
    git, checkpoint = _stored(rev, path, repository)
    names = sorted(checkpoint.manifest.groups.keys() | checkpoint.manifest.aliases.keys())
    patterns = [groups] if isinstance(groups, str) else groups
    if patterns is not None:
        names = _matching(names, patterns)
    return Loaded(checkpoint, {name: name for name in names}, framework, git)


def open_file(rev: str, path: str | os.PathLike[str], *, repository: str | os.PathLike[str] = ".") -> BinaryIO:
    """The whole file at ``path`` in a commit, byte for byte as ``git checkout`` would write it, open for reading.

    It is a temporary file without a name. With it, ``torch.load`` gives back what was saved, however nested.
    Raises what :func:`load` raises.

    Example:
        >>> run = torch.load(theta.open_file("runs/7", "run.pt"), weights_only=True)  # doctest: +SKIP
    """
    git, checkpoint = _stored(rev, path, repository)
    objects = objects_of(checkpoint.manifest)
    _fetch(git, checkpoint.objects, objects, objects, os.fspath(path))
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        file.writelines(restored(checkpoint))
        file.seek(0)
        stack.pop_all()
    return cast(BinaryIO, file)


def _stored(
    rev: str, path: str | os.PathLike[str], repository: str | os.PathLike[str]
) -> tuple[Repository, StoredCheckpoint]:
    git = Repository(Path(os.path.abspath(repository)))
    place = path_in_tree(git, path)
    text = git.blob(f"{rev}:{place}")
    if text is None or not is_manifest(text):
        raise NotACheckpoint(f"{rev}:{place}: {_lack(git, rev, text)}")
    return git, StoredCheckpoint(parse(text), Store.at(git.theta_dir).objects)


def _matching(names: Sequence[str], patterns: Iterable[str]) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        matching = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not matching:
            raise NoSuchGroup(f"no group matches {pattern!r}; there are: {_some(names)}")
        found.update(matching)
    return sorted(found)


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(islice(names, 5)) + more


def _fetch(git: Repository, objects: ObjectStore, wanted: Collection[str], needed: Collection[str], what: str) -> None:
    """Fetch objects that are not here; raises :class:`MissingObject` if one that is needed now cannot be had."""
    lacking = [oid for oid in wanted if not objects.has(oid)]
    if not lacking:
        return
    failures = brought(git, objects, lacking, None, lambda done, total: None)
    if failed := sorted({*needed} & failures.keys()):
        error = MissingObject(failed[0])
        error.args = (f"{what}: {failures[failed[0]]}; nothing is lost; see what is with: git theta fetch",)
        raise error


def _lack(git: Repository, rev: str, text: bytes | None) -> str:
    if text is not None:
        return "the file is not tracked by theta"
    found = git.finished("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{tree}}").returncode == 0
    return "there is no file" if found else "there is no such revision"


def _tensor(raw: bytearray, tensor: Tensor | Alias, framework: Framework) -> Any:
    if framework == "numpy":
        return shaped_array(_exactly(raw, tensor), tensor.dtype, tensor.shape, tensor.strides)
    from theta.tensors import torch_tensor

    return torch_tensor(_exactly(raw, tensor), tensor.dtype, tensor.shape, tensor.strides)


def _exactly(raw: bytearray, tensor: Tensor | Alias) -> bytearray:
    """The bytes of a C-ordered tensor; for any other order, all there are."""
    length = byte_length(tensor.dtype, tensor.shape)
    return raw if tensor.strides or len(raw) == length else raw[:length]
