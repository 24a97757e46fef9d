"""``theta.save``: a state dict becomes a commit, without a file in between."""

from __future__ import annotations

import bisect
import json
import os
import zlib
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theta.paths import path_in_tree
from theta.tensors import dtype_name
from theta.tensors import identity
from theta.tensors import is_tensor
from theta.tensors import obstacle
from theta.tensors import raw_bytes
from theta.tensors import torch_fact
from theta_checkpoint.failure import Failure
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.formats import safetensors
from theta_checkpoint.layout import Checksum
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_structure import inert
from theta_checkpoint.new_structure import refused
from theta_checkpoint.new_tensors import new_tensor
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_git import attributes
from theta_git.commits import branch_ref
from theta_git.commits import committed
from theta_git.commits import filter_in
from theta_git.commits import start_of
from theta_git.repository import Repository
from theta_store.capture import captured
from theta_store.identify import identified
from theta_store.reading import FileChanged
from theta_store.store import Store


class NotTracked(Failure):
    """The path is not a checkpoint's."""


class TensorChanged(Failure):
    """A tensor was written to while it was saved, as by another thread."""


def save(
    state_dict: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    message: str,
    branch: str | None = None,
    metadata: Mapping[str, str] | None = None,
    repository: str | os.PathLike[str] = ".",
) -> str:
    """Commit a state dict as a checkpoint file; the id of the commit.

    Args:
        state_dict: names to tensors of torch or arrays of numpy. For PyTorch files also nested in dicts, lists and
            tuples, with numbers, texts, bytes and sets beside them, as the state of an optimizer is; what is
            one tensor under two names stays one.
        path: of the checkpoint, from the folder ``repository``, tracked by theta. ``.safetensors`` files are
            written as such, all others as torch.save does.
        message: of the commit.
        branch: the branch to commit to, the current one by default; one that does not exist begins at HEAD.
        metadata: the ``__metadata__`` of a safetensors file.
        repository: a folder of the repository.

    The working tree stays as it is, and there need be none; on the current branch the index follows, so that the
    next commit keeps what was saved. Only groups that are new are stored. A branch that gets other commits meanwhile
    is followed. Raises :class:`NotTracked`, ValueError for what the format cannot hold, :class:`TensorChanged`,
    :class:`theta_git.commits.BranchMoved` if the branch got another version of this file meanwhile, and
    :class:`theta_store.objects.StoreNotWritable`.
    """
    if not isinstance(state_dict, Mapping):
        raise CannotWrite(f"a {type(state_dict).__name__} is not a state dict; save what state_dict() returns")
    git = Repository(Path(repository))
    place = path_in_tree(git, path)
    ref = branch_ref(git, branch)
    start = start_of(git, ref)
    if _filter(git, start, place) != "theta":
        raise NotTracked(f"{place} is not tracked by theta; to track it, type: git theta track {place}")
    source = _file(state_dict, place, metadata or {})
    store = Store.at(git.theta_dir)
    try:
        manifest = captured(source, identified(source), store, _earlier(git.blob(f"{start}:{place}")))
    except FileChanged as error:
        raise TensorChanged(f"{place}: a tensor was written to while it was saved; save a copy of it") from error
    return committed(git, ref, {place: bytes(manifest)}, message, start)


def _filter(git: Repository, start: str, place: str) -> str | None:
    """The filter of a path by the working tree's attributes; in a bare repository, by those of the commit."""
    if git.is_bare:
        return filter_in(git, start, place)
    return attributes.filters(Repository(git.top), [place]).get(place)


def _earlier(text: bytes | None) -> Manifest | None:
    """The manifest of the version before, which new groups may lean on."""
    try:
        return parse(text) if text and is_manifest(text) else None
    except BadManifest:
        return None


def _file(state_dict: Mapping[str, Any], path: str, metadata: Mapping[str, str]) -> _FileInMemory:
    """The file for a state dict; its name tells the format. Raises ValueError."""
    if not path.endswith(".safetensors"):
        return _pytorch_file({**state_dict, safetensors.METADATA: dict(metadata)} if metadata else state_dict)
    for name, leaf in state_dict.items():
        if not (isinstance(name, str) and is_tensor(leaf)):
            raise CannotWrite(f"{name}: a safetensors file has no place for it")
    tensors = dict(sorted(state_dict.items()))
    groups = [_group(name, name, leaf) for name, leaf in tensors.items()]
    values = [Value(f"{safetensors.METADATA}/{key}", json.dumps(text)) for key, text in sorted(metadata.items())]
    return _FileInMemory(safetensors.written(groups, (), values), tensors)


def _pytorch_file(state_dict: Mapping[str, Any]) -> _FileInMemory:
    tensors: dict[str, Any] = {}
    groups: list[Group] = []
    numbers: dict[object, int] = {}

    def leaf(name: str, thing: object) -> object:
        if not is_tensor(thing):
            return torch_fact(thing) or refused(name, thing)
        tensor: Any = thing
        fresh = _group(name, str(len(groups)), tensor)
        number = numbers.setdefault(identity(tensor), len(groups))
        if number == len(groups):
            groups.append(fresh)
            tensors[fresh.name] = tensor
        return new_tensor(groups[number], number)

    try:
        root = inert(state_dict, other=leaf)
    except RecursionError:
        raise CannotWrite("its parts are nested too deeply") from None
    return _FileInMemory(pytorch_zip.written(groups, root), tensors)


def _group(entry: str, name: str, tensor: Any) -> Group:
    """The tensor of an entry as a group of that name; raises :class:`CannotWrite`."""
    if why := obstacle(tensor):
        raise CannotWrite(f"{entry}: {why}")
    try:
        return Group(name, dtype_name(tensor), tuple(tensor.shape), 0, 0)
    except KeyError as error:
        raise CannotWrite(f"{entry}: tensors of {tensor.dtype} cannot be saved") from error


class _FileInMemory:
    """The file that a state dict would be written as; see :class:`theta_checkpoint.layout.Source`."""

    def __init__(self, segments: Sequence[Segment], tensors: Mapping[str, Any]) -> None:
        self._pieces = [_piece(segment, tensors) for segment in segments]
        self._starts = _starts(self._pieces)
        self.size = self._starts.pop()
        for index, segment in enumerate(segments):
            if isinstance(segment, Checksum):
                self._pieces[index] = memoryview(self._crc(segment).to_bytes(4, "little"))

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`theta_checkpoint.layout.Source.read`."""
        end = min(offset + length, self.size)
        parts = []
        index = bisect.bisect_right(self._starts, offset) - 1
        while offset < end:
            inside = offset - self._starts[index]
            part = self._pieces[index][inside : inside + end - offset]
            parts.append(part)
            offset += len(part)
            index += 1
        return b"".join(parts)

    def _crc(self, checksum: Checksum) -> int:
        ((start, end),) = checksum.ranges
        return zlib.crc32(self.read(start, end - start))


def _piece(segment: Segment, tensors: Mapping[str, Any]) -> memoryview:
    match segment:
        case Literal(data):
            return memoryview(data)
        case Hole(name):
            return raw_bytes(tensors[name])
        case Checksum():
            return memoryview(bytes(segment.length))


def _starts(pieces: Sequence[memoryview]) -> list[int]:
    """Where each piece begins, and where the last one ends."""
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    return starts
