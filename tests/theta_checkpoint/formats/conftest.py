"""Reading tensors back by their layout alone, to compare with what torch itself reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Group
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import contiguous_strides
from theta_checkpoint.layout import element_count


def saved(thing: object, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def tensors(data: bytes, layout: Layout) -> dict[str, torch.Tensor]:
    """Every group and alias of the layout, read from the file's bytes."""
    owners = {group.name: group for group in layout.groups}
    found = {}
    parts: list[Group | Alias] = [*layout.groups, *layout.aliases]
    for part in parts:
        owner = owners[part.owner] if isinstance(part, Alias) else part
        held = data[owner.offset : owner.offset + owner.length]
        found[part.name] = _tensor(part, held[part.offset :] if isinstance(part, Alias) else held)
    return found


def _tensor(part: Group | Alias, held: bytes) -> torch.Tensor:
    dtype = getattr(torch, DTYPES[part.dtype].numpy)
    if not element_count(part.shape):
        return torch.empty(part.shape, dtype=dtype)
    size = DTYPES[part.dtype].itemsize
    flat = torch.frombuffer(bytearray(held[: len(held) // size * size]), dtype=dtype)
    return flat.as_strided(part.shape, part.strides or contiguous_strides(part.shape))


def named(thing: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of nested dicts, lists and tuples, under the names that a layout gives them."""
    if isinstance(thing, torch.Tensor):
        yield name, thing
    elif isinstance(thing, dict | list | tuple):
        for key, value in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from named(value, f"{name}/{key}" if name else str(key))


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors agree in dtype, shape and every bit."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return left.contiguous().view(-1).view(torch.uint8).equal(right.contiguous().view(-1).view(torch.uint8))


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def agrees(request: pytest.FixtureRequest) -> Callable[[object], Layout]:
    """Saves a thing and checks that its layout has exactly the thing's tensors, to the bit; the layout."""

    def check(thing: object) -> Layout:
        data = saved(thing, request.param)
        layout = layout_of(BytesSource(data))
        assert layout.format == ("pytorch-zip" if request.param else "pytorch-legacy"), layout.warning
        ours = {name: tensor for name, tensor in tensors(data, layout).items() if not name.endswith("#storage")}
        theirs = dict(named(thing))
        assert ours.keys() == theirs.keys()
        assert [name for name, tensor in ours.items() if not same(tensor, theirs[name])] == []
        return layout

    return check


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def layout_saved(request: pytest.FixtureRequest) -> Callable[[object], Layout]:
    """The layout of a thing as torch saves it, in both formats."""

    def layout(thing: object) -> Layout:
        found = layout_of(BytesSource(saved(thing, request.param)))
        assert found.format == ("pytorch-zip" if request.param else "pytorch-legacy"), found.warning
        return found

    return layout
