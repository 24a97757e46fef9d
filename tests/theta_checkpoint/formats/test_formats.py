"""Any bytes have a layout: found by content, and never an error."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as some
from safetensors.torch import save

from theta_checkpoint.formats import FORMATS
from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout


def saved(zipped: bool) -> bytes:
    weight = torch.arange(6.0).reshape(2, 3)
    thing = {"w": weight, "tied": weight, "t": weight.t(), "n": [torch.zeros(0), torch.tensor(1)], "lr": 0.1}
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


SMALL = {
    "pytorch-zip": saved(True),
    "pytorch-legacy": saved(False),
    "safetensors": save({"w": torch.ones(2, 3), "b": torch.zeros(3)}, {"epoch": "1"}),
    "opaque": b"some text\n",
}


def keeps_its_promises(layout: Layout, size: int) -> bool:
    """Whether groups are sorted, have names of their own, lie in the file and do not overlap."""
    names = [group.name for group in layout.groups]
    ranges = sorted((group.offset, group.offset + group.length) for group in layout.groups if group.length)
    everything = [*names, *(alias.name for alias in layout.aliases)]
    owners = {group.name: group.length for group in layout.groups}
    return (
        names == sorted(names)
        and len(set(everything)) == len(everything)
        and all(0 <= start <= end <= size for start, end in ranges)
        and all(end <= start for (_, end), (start, _) in pairwise(ranges))
        and all(0 <= alias.offset <= owners[alias.owner] for alias in layout.aliases)
        and all(value.text.isprintable() for value in layout.values)
        and all(0 <= check.position <= size - check.length for check in layout.checksums)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_content_tells_the_format(name: str) -> None:
    found = layout_of(BytesSource(SMALL[name]))
    assert found.format == name
    assert keeps_its_promises(found, len(SMALL[name]))


def test_an_empty_file_is_a_group_of_no_bytes() -> None:
    assert layout_of(BytesSource(b"")).groups == (Group("content", "U8", (0,), 0, 0),)


@pytest.mark.parametrize("name", FORMATS)
def test_files_cut_off_anywhere(name: str) -> None:
    data = SMALL[name]
    for size in range(0, len(data), max(1, len(data) // 400)):
        assert layout_of(BytesSource(data[:size])).format == "opaque"


@pytest.mark.parametrize("name", FORMATS)
def test_files_with_damaged_bytes(name: str) -> None:
    chance = random.Random(name)
    for _ in range(500):
        data = bytearray(SMALL[name])
        for _ in range(chance.choice([1, 1, 2, 8])):
            data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        assert keeps_its_promises(layout_of(BytesSource(bytes(data))), len(data))


@settings(max_examples=200)
@given(some.sampled_from([b"", b"PK\3\4", SMALL["pytorch-legacy"][:100], b"\x10\0\0\0\0\0\0\0{"]), some.binary())
def test_any_bytes(head: bytes, rest: bytes) -> None:
    assert keeps_its_promises(layout_of(BytesSource(head + rest)), len(head + rest))


def test_a_line_without_end_is_not_read_to_the_end() -> None:
    magic = SMALL["pytorch-legacy"][:15]
    found = layout_of(BytesSource(magic + b"I" + b"1" * (1 << 20)))
    assert found.warning == (
        "claims to be a legacy PyTorch file, but a line of more than 65536 bytes; taken whole, as one group"
    )


def test_what_cannot_be_read_is_an_error() -> None:
    class Broken:
        size = 1 << 20

        def read(self, offset: int, length: int) -> bytes:
            if offset:
                raise OSError("input/output error")
            return b"PK\3\4"

    with pytest.raises(OSError, match="input/output"):
        layout_of(Broken())


def test_formats_are_imported_only_when_claimed() -> None:
    code = (
        "import sys; from theta_checkpoint.formats import layout_of; from theta_checkpoint.layout import BytesSource;"
        "layout_of(BytesSource(b'text'));"
        "print([name for name in ('pickle', 'zlib', 'numpy', 'torch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout == "[]\n"
