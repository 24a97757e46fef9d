"""What ``torch.save`` wrote before 1.6: five pickles, then the storages.

Source: ``_legacy_save`` and ``_legacy_load`` in ``torch/serialization.py`` of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping

from theta_checkpoint import inert_pickle
from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.pickled_tensors import PickledTensor
from theta_checkpoint.pickled_tensors import entries
from theta_checkpoint.pickled_tensors import storage_key
from theta_checkpoint.placed_tensors import Pickled
from theta_checkpoint.placed_tensors import placed
from theta_checkpoint.storages import Storage
from theta_checkpoint.torch_types import dtype_of

NAME = "pytorch-legacy"
TITLE = "a legacy PyTorch file"
MAX_PICKLES = 1 << 28
"""bytes before the storages"""
MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
PROTOCOL = 1001
_PIECE = 1 << 16


def layout(source: Source) -> Layout:
    """Where the tensors lie; raises :class:`DamagedCheckpoint`."""
    file = _Reader(source)
    pickle, keys = _pickles(file)
    listed = entries(pickle)
    kinds = {entry.storage.key: entry.storage.type for entry in listed if isinstance(entry, PickledTensor)}
    groups, aliases, values = placed([Pickled(listed, _storages(source, file.position, keys, kinds))])
    return Layout(NAME, groups, aliases, values)


def root(source: Source) -> object:
    """What was pickled, as inert as :mod:`theta_checkpoint.inert_pickle` has it; raises :class:`DamagedCheckpoint`."""
    return _pickles(_Reader(source))[0]


def _pickles(file: _Reader) -> tuple[object, object]:
    """What was pickled, and the keys of the storages that follow."""
    magic, protocol, system, pickle, keys = (inert_pickle.load(file) for _ in range(5))
    if magic != int.from_bytes(MAGIC, "little") or protocol != PROTOCOL:
        raise DamagedCheckpoint("its version is unknown")
    if isinstance(system, Inert) and ("little_endian", False) in (system.pairs or ()):
        raise DamagedCheckpoint("its numbers are big-endian")
    return pickle, keys


def _storages(source: Source, position: int, keys: object, kinds: Mapping[str, str]) -> dict[str, Storage]:
    """The storages from ``position`` to the end of the file: a number of elements, then their bytes."""
    if not isinstance(keys, list):
        raise DamagedCheckpoint("it has no list of storages")
    found: dict[str, Storage] = {}
    for key in map(storage_key, keys):
        numel = source.read(position, 8)
        dtype = dtype_of(kinds.get(key, ""))
        if len(numel) < 8 or dtype is None:
            raise DamagedCheckpoint(f"storage {key!r} is cut off or of unknown type {kinds.get(key)}")
        length = int.from_bytes(numel, "little") * DTYPES[dtype].itemsize
        found[key] = Storage(key, position + 8, length)
        position += 8 + length
        if position > source.size:
            raise DamagedCheckpoint(f"storage {key!r} is cut off")
    if position < source.size:  # as skeleton it would follow one side of a merge, and the other's be lost
        raise DamagedCheckpoint(f"{source.size - position} bytes follow it, perhaps a second one")
    return found


class _Reader:
    """A source as a file of its own, read ahead by a piece."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._piece = b""
        self._start = 0
        self.position = 0

    def read(self, size: int, /) -> bytes:
        at = self.position - self._start
        if at + size > len(self._piece):
            self._fill(size)
            at = 0
        data = self._piece[at : at + size]
        self.position += len(data)
        return data

    def readline(self) -> bytes:
        end = self._piece.find(b"\n", self.position - self._start)
        if end < 0:
            self._fill(_PIECE)
            end = self._piece.find(b"\n")
        if end < 0:
            raise DamagedCheckpoint(f"a line of more than {_PIECE} bytes")
        return self.read(self._start + end + 1 - self.position)

    def _fill(self, size: int) -> None:
        if self.position + size > MAX_PICKLES:
            raise DamagedCheckpoint(f"pickles of more than {MAX_PICKLES} bytes")
        self._piece = self._source.read(self.position, max(size, _PIECE))
        self._start = self.position
