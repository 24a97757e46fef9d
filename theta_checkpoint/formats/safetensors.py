"""safetensors: a length (8 bytes), a JSON header, then the tensors.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Sequence

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.layout import MAX_NUMBER
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Source
from theta_checkpoint.layout import Value
from theta_checkpoint.layout import byte_length
from theta_checkpoint.new_structure import Blank
from theta_checkpoint.new_structure import BlankView
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_structure import json_value
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment
from theta_checkpoint.value_text import key_text
from theta_checkpoint.value_text import value_text

NAME = "safetensors"
TITLE = "a safetensors file"
MAX_HEADER = 100_000_000
"""bytes; the reference implementation refuses more"""
MAX_GAP = 4096
"""bytes between tensors; the reference implementation allows none, older writers padded"""
METADATA = "__metadata__"


def layout(source: Source) -> Layout:
    """Where the tensors lie; raises :class:`DamagedCheckpoint`.

    Entries of ``__metadata__`` are the values ``__metadata__/KEY``. A tensor of an element type that DTYPES
    does not list is a group of bytes, and its type and shape are the value ``NAME#dtype``.
    """
    length = int.from_bytes(source.read(0, 8), "little")
    if length > MAX_HEADER:
        raise DamagedCheckpoint(f"its header of {length} bytes is more than {MAX_HEADER}")
    if length + 8 > source.size:
        raise DamagedCheckpoint(f"its header of {length} bytes is cut off")
    header = _header(source.read(8, length))
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict):
        raise DamagedCheckpoint(f"{METADATA} is not an object")
    groups = []
    values = [Value(f"{METADATA}/{key_text(key)}", value_text(value)) for key, value in metadata.items()]
    for name, facts in header.items():
        group, more = _group(key_text(name), facts, length + 8)
        groups.append(group)
        values += more
    _check_cover(groups, length + 8, source.size)
    return Layout(NAME, tuple(sorted(groups, key=_name)), values=tuple(sorted(values, key=_name)))


def written(groups: Sequence[Blank], ties: Iterable[BlankView], values: Iterable[Value]) -> list[Segment]:
    """The skeleton of a new file with these tensors, and the values as its ``__metadata__``.

    Larger elements come first, so that all are aligned, as the reference implementation has it. Raises
    :class:`CannotWrite` for ties, strides and other values: the format cannot express them.
    """
    metadata = {}
    for value in values:
        text = json_value(value.name, value.text)
        if not value.name.startswith(f"{METADATA}/") or not isinstance(text, str):
            raise CannotWrite(f"{value.name}: a safetensors file has no place for it")
        metadata[value.name.removeprefix(f"{METADATA}/")] = text
    header: dict[str, object] = {METADATA: metadata} if metadata else {}
    holes: list[Segment] = []
    position = 0
    for group in sorted(groups, key=lambda group: (-DTYPES[group.dtype].itemsize, group.name)):
        if group.strides or group.name in header or group.name == METADATA or group.dtype == "C128":
            raise CannotWrite(f"{group.name}: a safetensors file cannot hold it")
        end = position + byte_length(group.dtype, group.shape)
        header[group.name] = {"dtype": group.dtype, "shape": list(group.shape), "data_offsets": [position, end]}
        holes.append(Hole(group.name, end - position))
        position = end
    for tie in ties:
        raise CannotWrite(f"{tie.name}: a safetensors file cannot tie it to {tie.owner}")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [Literal(len(text).to_bytes(8, "little") + text), *holes]


def _name(part: Group | Value) -> str:
    return part.name


def _header(data: bytes) -> dict[str, object]:
    try:
        header = json.loads(data.decode(), object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise DamagedCheckpoint(f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise DamagedCheckpoint("its header is not a JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DamagedCheckpoint("a name occurs twice in its header")
    return found


def _group(name: str, facts: object, start: int) -> tuple[Group, list[Value]]:
    match facts:
        case {"dtype": str(dtype), "shape": list(extents), "data_offsets": [begin, end], **rest} if not rest:
            pass
        case _:
            raise DamagedCheckpoint(f"tensor {name[:200]!r} is not described as one")
    if not all(type(number) is int and 0 <= number < MAX_NUMBER for number in (*extents, begin, end)) or begin > end:
        raise DamagedCheckpoint(f"tensor {name[:200]!r} has an impossible shape or place")
    shape, length = tuple(extents), end - begin
    if dtype not in DTYPES:
        declared = f"{dtype}[{','.join(map(str, shape))}]"
        return Group(name, "U8", (length,), start + begin, length), [Value(f"{name}#dtype", value_text(declared))]
    if byte_length(dtype, shape) != length:
        raise DamagedCheckpoint(f"tensor {name[:200]!r} does not have the length of its shape")
    return Group(name, dtype, shape, start + begin, length), []


def _check_cover(groups: Iterable[Group], start: int, size: int) -> None:
    position, gap = start, 0
    for begin, length in sorted((group.offset, group.length) for group in groups):
        if begin < position:
            raise DamagedCheckpoint("tensors overlap")
        gap += begin - position
        position = begin + length
    if position > size:
        raise DamagedCheckpoint("the last tensor is cut off")
    if gap + size - position > MAX_GAP:
        raise DamagedCheckpoint(f"{gap + size - position} bytes belong to no tensor")
