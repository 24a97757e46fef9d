"""Whatever the bytes are: captured and restored, they are the same, and no error gets out."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import parse
from theta_store.capture import captured
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.restore import restored
from theta_store.store import Store


def saved(thing: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def repacked(data: bytes) -> bytes:
    """The archive as another zip program writes it: without gaps, and without zip64."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return out.getvalue()


def streamed(data: bytes) -> bytes:
    """The archive as it is written to a pipe: each CRC-32 behind its record."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe")

    out = Pipe()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return out.getvalue()


WEIGHT = torch.arange(12.0).reshape(3, 4)
THING = {"w": WEIGHT, "tied": WEIGHT, "t": WEIGHT.t(), "n": [torch.zeros(0), torch.tensor(1)], "lr": 0.1, "b": b"\xff"}
FILES = {
    "torch": saved(THING),
    "protocol 4": saved(THING, pickle_protocol=4),
    "legacy": saved(THING, _use_new_zipfile_serialization=False),
    "repacked": repacked(saved(THING)),
    "streamed": streamed(saved(THING)),
    "safetensors": save({"w": WEIGHT, "b": torch.zeros(3, dtype=torch.bfloat16)}, {"epoch": "1"}),
}
OPCODES = bytes(ord(code) for code in "().0Rbhijloqrstu}]QPciNXUTBC") + bytes([*range(0x82, 0x88), *range(0x8A, 0x99)])
NUMBERS = [0, 1, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The file with a few bytes or a number changed, cut off, or with a piece of another in it."""
    found = bytearray(data)
    place = chance.randrange(len(found))
    match chance.randrange(5):
        case 0 | 1:
            for _ in range(chance.choice([1, 1, 2, 4, 16])):
                found[chance.randrange(len(found))] = chance.choice([*OPCODES, 0, 1, 0x7F, 0xFF, chance.randrange(256)])
        case 2:
            size = chance.choice([1, 2, 4, 8])
            number = chance.choice([*NUMBERS, len(found), len(found) - 1, chance.randrange(256)])
            found[place : place + size] = (number % 256**size).to_bytes(size, "little")
        case 3:
            del found[place:]
        case 4:
            other = FILES[chance.choice(sorted(FILES))]
            start = chance.randrange(len(other))
            found[place : place + chance.randrange(100)] = other[start : start + chance.randrange(1000)]
    return bytes(found)


def round_trip(data: bytes, store: Store) -> bytes:
    source = BytesSource(data)
    manifest = captured(source, identified(source), store)
    assert parse(bytes(manifest)) == manifest
    return b"".join(restored(StoredCheckpoint(manifest, store.objects)))


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file(tmp_path: Path, name: str) -> None:
    assert identified(BytesSource(FILES[name])).layout.format != "opaque"
    assert round_trip(FILES[name], Store.at(tmp_path)) == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    store = Store.at(tmp_path)
    for _ in range(60):
        data = mutated(FILES[name], chance)
        assert round_trip(data, store) == data


ODD_SHAPES = {
    "more digits than a manifest has": (b"K\x03K\x04\x86q", b"\x8a\x08" + b"\xff" * 7 + b"\x7fK\x00\x86q"),
    "18 digits": (b"K\x03K\x04\x86q", b"\x8a\x08" + (10**18 - 1).to_bytes(8, "little") + b"K\x00\x86q"),
    "a truth value": (b"K\x03K\x04\x86q", b"\x88K\x04\x86q"),
}


@pytest.mark.parametrize("name", ODD_SHAPES)
def test_shapes_that_no_library_writes(tmp_path: Path, name: str) -> None:
    old, new = ODD_SHAPES[name]
    with zipfile.ZipFile(io.BytesIO(saved({"w": WEIGHT}))) as archive:
        records = {record: archive.read(record) for record in archive.namelist()}
    assert old in records["archive/data.pkl"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for record, content in records.items():
            archive.writestr(record, content.replace(old, new))
    assert round_trip(out.getvalue(), Store.at(tmp_path)) == out.getvalue()


@pytest.mark.parametrize("extent", [2**63 - 1, 10**18 - 1])
def test_an_empty_tensor_of_an_absurd_shape(tmp_path: Path, extent: int) -> None:
    header = b'{"w":{"dtype":"F32","shape":[0,%d],"data_offsets":[0,0]}}' % extent
    data = len(header).to_bytes(8, "little") + header
    assert round_trip(data, Store.at(tmp_path)) == data


def test_a_record_that_reaches_over_the_checksum_of_the_next(tmp_path: Path) -> None:
    """The checksum would be poured into the middle of a tensor."""
    data = bytearray(FILES["repacked"])
    second, third = (data.index(b"archive/data/%d" % key) - 30 for key in (1, 2))
    assert data[second:].startswith(b"PK\3\4")
    data[second + 28 : second + 30] = (third - second - 44 - 4 + 14).to_bytes(2, "little")
    assert round_trip(bytes(data), Store.at(tmp_path)) == data
    assert identified(BytesSource(bytes(data))).layout.format == "opaque"
