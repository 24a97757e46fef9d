"""PyTorch's zip archives: ``torch.save`` since 1.6, and TorchScript.

``data.pkl`` describes tensors in the storages ``data/KEY``; a TorchScript archive has constants as well.
Source: ``torch/serialization.py`` and ``caffe2/serialize/inline_container.h`` of PyTorch.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Sequence

from theta_checkpoint import inert_pickle
from theta_checkpoint.layout import AnotherFormat
from theta_checkpoint.layout import Checksum
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.layout import Value
from theta_checkpoint.layout import byte_length
from theta_checkpoint.new_pickle import pickled
from theta_checkpoint.new_structure import Blank
from theta_checkpoint.new_structure import BlankView
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_structure import inert
from theta_checkpoint.new_structure import json_value
from theta_checkpoint.new_structure import tree
from theta_checkpoint.new_tensors import NewTensors
from theta_checkpoint.new_zip import archive
from theta_checkpoint.pickled_tensors import entries
from theta_checkpoint.placed_tensors import Pickled
from theta_checkpoint.placed_tensors import placed
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Segment
from theta_checkpoint.storages import Storage
from theta_checkpoint.zip_directory import STORED
from theta_checkpoint.zip_directory import Record
from theta_checkpoint.zip_directory import content
from theta_checkpoint.zip_directory import records

NAME = "pytorch-zip"
TITLE = "a PyTorch zip archive"
MAX_PICKLE = 1 << 28
"""bytes of a pickle: a state dict of a million tensors needs half of it"""
_WRITTEN_BY_SAVE = ("data.pkl", "byteorder", "version")
"""records that ``torch.save`` writes beside storages and those whose names begin with a dot"""


def layout(source: Source) -> Layout:
    """Where the tensors lie; raises :class:`DamagedCheckpoint`.

    Tensors of a TorchScript archive's constants are named ``constants/…``.
    """
    listed = records(source)
    root = listed[0].name.partition("/")[0] if listed else ""
    by_name = {record.name: record for record in listed}
    if f"{root}/data.pkl" not in by_name:
        raise AnotherFormat
    byteorder = by_name.get(f"{root}/byteorder")
    if byteorder and content(source, byteorder, 16) != b"little":
        raise DamagedCheckpoint("its numbers are big-endian")
    pickles = [
        _pickled(source, by_name, root, kind) for kind in ("data", "constants") if f"{root}/{kind}.pkl" in by_name
    ]
    groups, aliases, values = placed(pickles)
    return Layout(NAME, groups, aliases, values, tuple(_checksums(listed, groups, f"{root}/.data/serialization_id")))


def root(source: Source) -> object:
    """What was pickled, as inert as :mod:`theta_checkpoint.inert_pickle` has it.

    Raises :class:`CannotWrite` where the archive holds more than that: a new one would lack it.
    """
    listed = records(source)
    folder = listed[0].name.partition("/")[0]
    for record in listed:
        name = record.name.removeprefix(f"{folder}/")
        if name and name not in _WRITTEN_BY_SAVE and not name.startswith((".", "data/")):
            raise CannotWrite(f"the archive has a record {name[:80]!r}, as TorchScript writes")
    by_name = {record.name: record for record in listed}
    return inert_pickle.load(io.BytesIO(content(source, by_name[f"{folder}/data.pkl"], MAX_PICKLE)))


def named(groups: Sequence[Blank], ties: Iterable[BlankView], values: Iterable[Value]) -> list[Segment]:
    """The skeleton of a new archive with these tensors and values, known by nothing but their names.

    Names are split at ``/`` into nested dicts; values are read as JSON, so a tuple comes back as a list.
    Raises :class:`CannotWrite` for a value without JSON form or a name that could be that of a list's item.
    """
    tensors = NewTensors(groups, ties)
    leaves: dict[str, object] = {}
    for value in values:
        leaves[value.name] = json_value(value.name, value.text)
    for name in tensors.names:
        if name in leaves:
            raise CannotWrite(f"{name}: it occurs twice")
        leaves[name] = tensors.tensor(name)
    return written(groups, inert(tree(leaves)))


def written(groups: Sequence[Blank], pickle: object) -> list[Segment]:
    """The skeleton of a new archive, in the way of ``torch.save``.

    ``pickle`` is what is pickled, inert; the n-th group is its storage ``n``, as with :class:`NewTensors`.
    """
    stored = [
        (f"archive/data/{key}", Hole(group.name, byte_length(group.dtype, group.shape)))
        for key, group in enumerate(groups)
    ]
    before = [("archive/data.pkl", pickled(pickle)), ("archive/byteorder", b"little")]
    return archive([*before, *stored, ("archive/version", b"3\n")])


def _pickled(source: Source, by_name: dict[str, Record], root: str, kind: str) -> Pickled:
    data = content(source, by_name[f"{root}/{kind}.pkl"], MAX_PICKLE)
    listed = entries(inert_pickle.load(io.BytesIO(data)), "" if kind == "data" else kind)
    prefix = f"{root}/{kind}/"
    return Pickled(listed, _storages([record for name, record in by_name.items() if name.startswith(prefix)], prefix))


def _storages(stored: Iterable[Record], prefix: str) -> dict[str, Storage]:
    found = {}
    for record in stored:
        # As a part of the skeleton it would follow one side of a merge, and the other's values be lost.
        if record.method != STORED:
            raise DamagedCheckpoint("its tensors are compressed; save it with torch.save to see them")
        key = record.name.removeprefix(prefix)
        found[key] = Storage(key, record.start, record.length)
    return found


def _checksums(listed: list[Record], groups: Iterable[Group], id_name: str) -> list[Checksum]:
    """What follows from tensor bytes: the CRC-32 of their records, and the id that combines all of these."""
    holding = _holding(listed, groups)
    found = [_crc(record, position) for record in holding for position in record.crc_positions]
    combined = [record for record in listed if record.name != id_name and record.length]
    for record in listed:
        if record.name == id_name and record.method == STORED and record.length == 40 and holding:
            ranges = tuple((other.start, other.end) for other in combined)
            # Behind all of them, it is known once the file was written up to it; its own CRC-32 leans on that.
            if all(other.method == STORED and other.end <= record.start for other in combined):
                found.append(Checksum("serialization-id", record.start + 20, ranges))
                found += [_crc(record, position) for position in record.crc_positions]
    return sorted(found, key=lambda checksum: checksum.position)


def _crc(record: Record, position: int) -> Checksum:
    return Checksum("crc32", position, ((record.start, record.end),))


def _holding(listed: list[Record], groups: Iterable[Group]) -> list[Record]:
    """The stored records in which a group has bytes."""
    stored = sorted((record for record in listed if record.method == STORED), key=lambda record: record.start)
    starts = [record.start for record in stored]
    held = {bisect_right(starts, group.offset) - 1 for group in groups if group.length}
    return [stored[position] for position in sorted(held)]
