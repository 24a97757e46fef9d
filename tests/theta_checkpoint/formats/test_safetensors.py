"""safetensors: what is read, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save

from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Value


def layout(data: bytes) -> Layout:
    return layout_of(BytesSource(data))


def file(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def tensor(begin: int, end: int, dtype: str = "U8", shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or (end - begin,), "data_offsets": [begin, end]}


def test_groups_lie_where_the_library_put_them() -> None:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a/b c": torch.tensor(7), "none": torch.zeros(0, 2)}
    data = save(tensors, {"step": "3"})
    found = layout(data)
    assert [(group.name, group.dtype, group.shape) for group in found.groups] == [
        ("a/b c", "I64", ()),
        ("b", "F32", (2, 3)),
        ("none", "F32", (0, 2)),
    ]
    for group in found.groups:
        assert data[group.offset : group.offset + group.length] == tensors[group.name].numpy().tobytes()
    assert found.values == (Value("__metadata__/step", '"3"'),)
    assert found.warning is None


def test_sub_byte_and_unknown_types_are_bytes() -> None:
    found = layout(file({"x": tensor(0, 3, "F4", (2, 3))}, b"abc"))
    assert (found.groups[0].dtype, found.groups[0].shape) == ("U8", (3,))
    assert found.values == (Value("x#dtype", '"F4[2,3]"'),)


def test_names_may_be_anything() -> None:
    names = ["../../etc/passwd", "new\nline", 'tab\t"', "nul\0", "", "ü", "\ud800"]
    found = layout(file({name: tensor(i, i + 1) for i, name in enumerate(names)}, b"x" * 9))
    assert found.format == "safetensors"
    assert len(found.groups) == len(names)
    assert [group.name.encode() for group in found.groups]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (file({"x": tensor(0, 4)}, b"abc"), "cut off"),
        (file({"x": tensor(0, 2), "y": tensor(1, 3)}, b"abc"), "overlap"),
        (file({"x": tensor(0, 4, "F32", (2,))}, b"abcd"), "length of its shape"),
        (file({"x": tensor(0, 0, "F32", (2**63,))}), "impossible"),
        (file({"x": tensor(2, 1, "U8", (1,))}, b"abcd"), "impossible"),
        (file({"x": tensor(0, 1, "U8", (True,))}, b"a"), "impossible"),
        (file({"x": 5}), "not described"),
        (file({"x": tensor(0, 1)}, b"a" * 5000), "belong to no tensor"),
        (file(b'{"x":1,"x":1}'), "twice"),
        (file(b"{" + b'"a":{' * 100_000), "RecursionError"),
        (file(b'{"x":' + b"[" * 100_000), "RecursionError"),
        (file(b"{\xff}"), "not JSON"),
        (file(b"{]"), "not JSON"),
        (file({"__metadata__": 3}), "not an object"),
        ((2**40 - 1).to_bytes(8, "little") + b"{}", "header"),
        ((99).to_bytes(8, "little") + b"{}", "cut off"),
    ],
)
def test_damaged_files_are_opaque(data: bytes, why: str) -> None:
    found = layout(data)
    assert found.groups == (Group("content", "U8", (len(data),), 0, len(data)),)
    assert found.warning is not None
    assert found.warning.startswith("claims to be a safetensors file, but ")
    assert why in found.warning
