"""What is particular to PyTorch's zip archives: their directory, their checksums, TorchScript."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
import torch

from theta_checkpoint.checksums import serialization_id
from theta_checkpoint.formats import layout_of
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Checksum
from theta_checkpoint.layout import Layout


def saved(thing: object) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


def layout(data: bytes) -> Layout:
    return layout_of(BytesSource(data))


def computed(data: bytes, checksum: Checksum) -> bytes:
    crcs = [zlib.crc32(data[start:end]) for start, end in checksum.ranges]
    return serialization_id(crcs).encode() if checksum.kind == "serialization-id" else crcs[0].to_bytes(4, "little")


def repacked(data: bytes, changed: Mapping[str, bytes | None], method: int = zipfile.ZIP_STORED) -> bytes:
    """The archive as another zip program writes it, with some records changed or (None) left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", method) as new:
        for name in old.namelist():
            content = changed.get(name.rpartition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def test_every_checksum_matches_the_file() -> None:
    data = saved({"a": torch.arange(6.0), "b": torch.ones(3), "empty": torch.zeros(0)})
    checksums = layout(data).checksums
    assert [checksum.kind for checksum in checksums] == ["crc32"] * 2 + ["serialization-id"] + ["crc32"] * 4
    for checksum in checksums:
        assert data[checksum.position : checksum.position + checksum.length] == computed(data, checksum)


def test_new_values_give_the_file_that_torch_writes() -> None:
    old, new = (saved({"a": torch.full((4,), float(value)), "b": torch.ones(3)}) for value in (1, 2))
    poured = bytearray(old)
    for group in layout(new).groups:
        poured[group.offset : group.offset + group.length] = new[group.offset : group.offset + group.length]
    checksums = layout(old).checksums
    for checksum in sorted(checksums, key=lambda checksum: checksum.kind != "serialization-id"):
        poured[checksum.position : checksum.position + checksum.length] = computed(bytes(poured), checksum)
    assert poured == new


def test_checksums_in_the_local_header() -> None:
    data = repacked(saved({"a": torch.ones(5)}), {})
    found = layout(data)
    crcs = [checksum for checksum in found.checksums if checksum.kind == "crc32"]
    assert len(crcs) == 4
    assert all(data[crc.position : crc.position + 4] == computed(data, crc) for crc in crcs)


def test_constants_of_torchscript() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        one = zipfile.ZipFile(io.BytesIO(saved([torch.ones(2)])))
        root = one.namelist()[0].partition("/")[0]
        for kind in ("data", "constants"):
            file.writestr(f"x/{kind}.pkl", one.read(f"{root}/data.pkl"))
            file.writestr(f"x/{kind}/0", one.read(f"{root}/data/0"))
    found = layout(archive.getvalue())
    assert [group.name for group in found.groups] == ["0", "constants/0"]


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_torchscript(tmp_path: Path) -> None:
    path = tmp_path / "model.jit"
    torch.jit.script(torch.nn.Linear(3, 2)).save(str(path))  # type: ignore[no-untyped-call]
    found = layout(path.read_bytes())
    assert [(group.name, group.shape) for group in found.groups] == [("bias", (2,)), ("weight", (2, 3))]
    assert not [checksum for checksum in found.checksums if checksum.kind == "serialization-id"]


def test_a_deflated_pickle_is_read() -> None:
    data = saved({"a": torch.ones(2)})
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        names = {name.rpartition("/")[2]: old.read(name) for name in old.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        new.writestr("m/data.pkl", names["data.pkl"], zipfile.ZIP_DEFLATED)
        new.writestr("m/data/0", names["0"])
    assert [group.name for group in layout(out.getvalue()).groups] == ["a"]


def test_compressed_tensors_are_opaque_so_that_no_merge_loses_those_of_one_side() -> None:
    found = layout(repacked(saved({"a": torch.ones(9)}), {}, zipfile.ZIP_DEFLATED))
    assert found.format == "opaque"
    assert "its tensors are compressed" in str(found.warning)


def test_several_archives_in_one_file_are_opaque_as_the_directory_is_that_of_the_last_alone() -> None:
    """``torch.distributed.checkpoint`` writes its ``.distcp`` files so."""
    for first, second in ((torch.zeros(3), torch.ones(3)), ({"a": torch.zeros(3000)}, torch.ones(3))):
        found = layout(saved(first) + saved(second))
        assert found.format == "opaque"
    assert (layout(saved(torch.zeros(3)) * 2).warning or "").startswith(
        "claims to be a PyTorch zip archive, but it is several archives one after the other, or lies behind other bytes"
    )


def test_a_zip_archive_of_another_kind_is_not_said_to_be_damaged() -> None:
    file = io.BytesIO()
    numpy.savez(file, a=numpy.zeros(3))
    assert layout(file.getvalue()).warning == "not a checkpoint format that theta knows; taken whole, as one group"


def test_archives_written_again_are_several_archives_too() -> None:
    single = repacked(saved({"w": torch.ones(3)}), {})
    assert "several archives" in (layout(single * 2).warning or "")
    assert layout(single + b"a few bytes").format == "pytorch-zip"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"byteorder": b"big"}, "its numbers are big-endian"),
        ({"data.pkl": None}, "not a checkpoint format that theta knows"),
        ({"data.pkl": b"not a pickle"}, "damaged pickle"),
        ({"0": b"short"}, "tensor 'a' reaches out of its storage"),
        ({"0": None}, "storage '0' of tensor 'a' is missing"),
    ],
)
def test_a_damaged_archive_is_opaque(changed: dict[str, bytes | None], why: str) -> None:
    data = repacked(saved({"a": torch.ones(9)}), changed)
    found = layout(data)
    assert (found.format, found.groups[0].length) == ("opaque", len(data))
    assert found.warning is not None
    assert why in found.warning


def test_a_zip_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch_zip, "MAX_PICKLE", 1000)
    bomb = repacked(saved({"a": torch.ones(9)}), {"data.pkl": b"\0" * 1001}, zipfile.ZIP_DEFLATED)
    assert "larger than" in (layout(bomb).warning or "")


def test_unreferenced_storages() -> None:
    data = saved({"a": torch.ones(2)})
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{root}/data/7", b"x" * 5000)
        archive.writestr(f"{root}/data/8", b"x" * 10)
    assert [(group.name, group.length) for group in layout(out.getvalue()).groups] == [
        ("a", 8),
        ("unreferenced/7", 5000),
    ]


def test_more_than_65535_records_need_zip64() -> None:
    out = io.BytesIO(saved({"a": torch.ones(2)}))
    with zipfile.ZipFile(out, "a") as archive:
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"extra/{number}"), b"")
    assert [group.name for group in layout(out.getvalue()).groups] == ["a"]


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_quantized_tensors() -> None:
    data = saved({"q": torch.quantize_per_tensor(torch.ones(4), 0.5, 1, torch.qint8)})
    found = layout(data)
    assert [(group.name, group.dtype) for group in found.groups] == [("q", "I8")]
    assert {value.name: value.text for value in found.values}["q/quantizer/1"] == "0.5"


def test_types_unknown_to_us_are_bytes() -> None:
    data = saved({"x": torch.zeros(4, dtype=torch.float4_e2m1fn_x2)})
    found = layout(data)
    assert [(group.name, group.dtype, group.shape) for group in found.groups] == [("x", "U8", (4,))]
    assert found.values[0].text == '"float4_e2m1fn_x2[4]"'


def test_views_of_another_type() -> None:
    words = torch.arange(4, dtype=torch.int64).to(torch.uint32)
    found = layout(saved({"words": words, "bits": words.view(torch.uint16)}))
    assert [(group.name, group.dtype) for group in found.groups] == [("bits", "U16")]
    assert [(alias.name, alias.dtype, alias.owner) for alias in found.aliases] == [("words", "U32", "bits")]
