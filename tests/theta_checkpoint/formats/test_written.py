"""New files for new sets of groups: the libraries themselves read them."""

from __future__ import annotations

import io
import zlib

import pytest
import torch
from safetensors.torch import load as load_safetensors

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.formats import layout_of
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.formats import safetensors
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Value
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal
from theta_checkpoint.skeleton import Segment


def blank(name: str, dtype: str, *shape: int, strides: tuple[int, ...] | None = None) -> Group:
    return Group(name, dtype, shape, 0, 0, strides)


def poured(segments: list[Segment], values: dict[str, bytes]) -> bytes:
    file = bytearray()
    checksums = []
    for segment in segments:
        match segment:
            case Literal(data):
                file += data
            case Hole(name, length):
                assert len(values[name]) == length
                file += values[name]
            case checksum:
                assert checksum.position == len(file)
                checksums.append(checksum)
                file += bytes(checksum.length)
    for checksum in checksums:
        start, end = checksum.ranges[0]
        file[checksum.position : checksum.position + 4] = zlib.crc32(file[start:end]).to_bytes(4, "little")
    return bytes(file)


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_a_new_archive(tmp_path_factory: pytest.TempPathFactory, mmap: bool) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    groups = [
        blank("model/b", "BF16", 2),
        blank("model/w.0", "F32", 3, 2, strides=(1, 3)),
        blank("none", "I64", 0, 4),
        blank("scalar", "BOOL"),
    ]
    ties = [Alias("tied", "F32", (3,), "model/w.0", 12)]
    values = [Value("epoch", "3"), Value("args/betas", "[0.9, NaN]"), Value("ü", '"\\u00fc"')]
    segments = pytorch_zip.named(groups, ties, values)
    held = {"model/b": raw(torch.ones(2).bfloat16()), "model/w.0": raw(weight), "none": b"", "scalar": b"\1"}
    path = tmp_path_factory.mktemp("new") / "new.pt"
    path.write_bytes(poured(segments, held))
    found = torch.load(path, weights_only=True, mmap=mmap)
    assert list(found) == ["epoch", "args", "ü", "model", "tied", "none", "scalar"]
    assert found["model"]["w.0"].equal(weight.t())
    assert found["model"]["b"].equal(torch.ones(2).bfloat16())
    assert found["tied"].equal(weight[1])
    assert found["none"].shape == (0, 4)
    assert found["scalar"].item() is True
    assert (found["epoch"], found["args"]["betas"][0], found["ü"]) == (3, 0.9, "ü")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_written(dtype: str) -> None:
    values = (torch.arange(32, dtype=torch.uint8) % 2).view(getattr(torch, DTYPES[dtype].numpy))
    data = poured(pytorch_zip.named([blank("x", dtype, len(values))], [], []), {"x": raw(values)})
    found = torch.load(io.BytesIO(data), weights_only=True)["x"]
    assert found.dtype == values.dtype
    assert raw(found) == raw(values)


def test_the_layout_of_a_new_archive_is_what_was_asked_for() -> None:
    groups = [blank("a", "F32", 2), blank("b#storage", "U16", 4)]
    ties = [Alias("b", "U32", (2,), "b#storage"), Alias("c", "U16", (3,), "b#storage", 2)]
    data = poured(pytorch_zip.named(groups, ties, [Value("n", "1")]), {"a": bytes(8), "b#storage": bytes(8)})
    found = layout_of(BytesSource(data))
    assert [(group.name, group.dtype) for group in found.groups] == [("a", "F32"), ("b", "U32")]
    assert [(alias.name, alias.owner, alias.offset) for alias in found.aliases] == [("c", "b", 2)]
    assert found.values == (Value("n", "1"),)
    assert all(group.offset % 64 == 0 for group in found.groups)


def test_safetensors_reads_a_new_file() -> None:
    groups = [blank("b", "U8", 3), blank("a", "F32", 2)]
    segments = safetensors.written(groups, [], [Value("__metadata__/format", '"pt"')])
    data = poured(segments, {"a": raw(torch.ones(2)), "b": b"abc"})
    found = load_safetensors(data)
    assert found["a"].equal(torch.ones(2))
    assert raw(found["b"]) == b"abc"
    layout = layout_of(BytesSource(data))
    assert layout.values == (Value("__metadata__/format", '"pt"'),)
    assert layout.groups[0].offset % 8 == 0


@pytest.mark.parametrize(
    ("groups", "ties", "values", "why"),
    [
        ([], [], [Value("rng", f"bytes[3] blake3:{'0' * 64}")], "only the original file holds"),
        ([blank("list/0", "F32", 1)], [], [], "list or in a dict"),
        ([blank("a#2", "F32", 1)], [], [], "list or in a dict"),
        ([blank("a", "F32", 1), blank("a/b", "F32", 1)], [], [], "a is not a dict"),
        ([blank("a", "F32", 1)], [], [Value("a", "1")], "occurs twice"),
        ([blank("a", "U8", 9)], [Alias("b", "F32", (1,), "a", 2)], [], "whole element"),
        ([], [Alias("b", "F32", (1,), "a", 2)], [], "is missing"),
    ],
)
def test_an_archive_that_cannot_be_written(
    groups: list[Group], ties: list[Alias], values: list[Value], why: str
) -> None:
    with pytest.raises(CannotWrite, match=why):
        pytorch_zip.named(groups, ties, values)


@pytest.mark.parametrize(
    ("groups", "ties", "values", "why"),
    [
        ([], [], [Value("epoch", "3")], "no place"),
        ([], [], [Value("__metadata__/x", "3")], "no place"),
        ([blank("a", "F32", 2, 3, strides=(1, 2))], [], [], "cannot hold"),
        ([blank("a", "F32", 1)], [Alias("b", "F32", (1,), "a")], [], "cannot tie"),
        ([blank("a", "F32", 1), blank("a", "F32", 1)], [], [], "cannot hold"),
    ],
)
def test_a_safetensors_file_that_cannot_be_written(
    groups: list[Group], ties: list[Alias], values: list[Value], why: str
) -> None:
    with pytest.raises(CannotWrite, match=why):
        safetensors.written(groups, ties, values)
