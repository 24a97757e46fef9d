"""Three pickles as one: what torch reads from the file is what the three-way rules say."""

from __future__ import annotations

import io
import zlib
from collections import OrderedDict
from collections import defaultdict
from dataclasses import replace
from typing import Any
from typing import NamedTuple

import numpy
import pytest
import torch

from theta_checkpoint.formats import layout_of
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Checksum
from theta_checkpoint.layout import Group
from theta_checkpoint.merged_pickle import ABSENT
from theta_checkpoint.merged_pickle import merged
from theta_checkpoint.new_structure import CannotWrite
from theta_checkpoint.new_tensors import NewTensors
from theta_checkpoint.skeleton import Hole
from theta_checkpoint.skeleton import Literal


class Config:
    """A user's own class, with a tensor inside."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.table = torch.eye(2)


class Pair(NamedTuple):
    """Made by ``__new__``."""

    weight: torch.Tensor
    scale: float


class Version:
    """A checkpoint as torch saves it."""

    def __init__(self, thing: object) -> None:
        file = io.BytesIO()
        torch.save(thing, file)
        self.data = file.getvalue()
        self.layout = layout_of(BytesSource(self.data))
        self.pickle = pytorch_zip.root(BytesSource(self.data))

    def tensors(self) -> dict[str, Group | Alias]:
        parts: list[Group | Alias] = [*self.layout.groups, *self.layout.aliases]
        return {part.name: part for part in parts}

    def content(self, group: Group) -> bytes:
        return self.data[group.offset : group.offset + group.length]


def merge(base: object, ours: object, theirs: object, without: str = "", preferred: int = 0) -> Any:
    """Ours and what theirs has beside, merged and read by torch; ``without`` is a tensor that was deleted."""
    sides = [Version(ours), Version(theirs)]
    parts = {name: part for name, part in {**sides[1].tensors(), **sides[0].tensors()}.items() if name != without}
    groups = [part for _, part in sorted(parts.items()) if isinstance(part, Group)]
    ties = [part for _, part in sorted(parts.items()) if isinstance(part, Alias)]
    pickles = [side.pickle for side in sides]
    before = ABSENT if base is None else Version(base).pickle
    tree = merged(before, pickles, NewTensors(groups, ties), preferred, {})
    held = {
        name: side.content(part)
        for side in reversed(sides)
        for name, part in side.tensors().items()
        if isinstance(part, Group)
    }
    file = bytearray()
    checksums: list[Checksum] = []
    for segment in pytorch_zip.written(groups, tree):
        match segment:
            case Literal(data):
                file += data
            case Hole(name):
                file += held[name]
            case Checksum():
                checksums.append(segment)
                file += bytes(4)
    for checksum in checksums:
        ((start, end),) = checksum.ranges
        file[checksum.position : checksum.position + 4] = zlib.crc32(file[start:end]).to_bytes(4, "little")
    names = {replace(part, offset=0) if isinstance(part, Group) else part for part in (*groups, *ties)}
    found = layout_of(BytesSource(bytes(file)))
    assert {replace(group, offset=0) for group in found.groups} | set(found.aliases) == names
    return torch.load(io.BytesIO(bytes(file)), weights_only=False)


def one() -> torch.Tensor:
    return torch.ones(2)


def training() -> dict[str, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1, "rng": numpy.arange(3)}


def test_a_training_checkpoint_to_which_both_sides_added() -> None:
    base, ours, theirs = training(), training(), training()
    ours |= {"ema": {"w": one()}, "epoch": 2}
    theirs["model"]["head.weight"] = one() * 3
    theirs["optimizer"]["param_groups"][0]["lr"] = 0.5
    theirs["rng"] = numpy.arange(4)
    found = merge(base, ours, theirs)
    assert (found["epoch"], found["rng"].tolist()) == (2, [0, 1, 2, 3])
    assert found["ema"]["w"].equal(one())
    assert found["model"]["head.weight"].equal(one() * 3)
    assert type(found["model"]) is OrderedDict
    assert vars(found["model"]).keys() == {"_metadata"}
    assert list(found["optimizer"]["state"]) == [0, 1, 2, 3]
    assert found["optimizer"]["param_groups"][0]["lr"] == 0.5
    assert found["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert list(found["model"])[:2] == ["0.weight", "0.bias"]
    for name, tensor in base["model"].items():
        assert found["model"][name].equal(tensor)


def test_lists_tuples_and_keys_that_are_no_text_keep_their_types() -> None:
    def thing(**more: torch.Tensor) -> dict[str, object]:
        return {
            "l": [one(), (one() * 2, "x")],
            "d": defaultdict(dict, {3: {None: one()}}),
            "p": Pair(one(), 0.5),
            **more,
        }

    found = merge(thing(), thing(ours=one()), thing(theirs=one()))
    assert isinstance(found["l"], list)
    assert isinstance(found["l"][1], tuple)
    assert found["d"].default_factory is dict
    assert found["d"][3][None].equal(one())
    assert (found["p"].scale, list(found)[-2:]) == (0.5, ["ours", "theirs"])


def test_objects_are_merged_attribute_by_attribute() -> None:
    found = merge({"c": Config(1)}, {"c": Config(2), "ours": one()}, {"c": Config(1), "theirs": one()})
    assert (found["c"].depth, found["c"].table.tolist()) == (2, [[1.0, 0.0], [0.0, 1.0]])


def test_what_one_side_deleted_is_gone_and_empty_dicts_stay() -> None:
    base = {"a": one(), "gone": {"x": one(), "n": 3}, "empty": {}, "lr": 1}
    ours = {"a": one(), "empty": {}, "ours": one()}
    found = merge(base, ours, {**base, "theirs": one()}, without="gone/x")
    assert found.keys() == {"a", "empty", "ours", "theirs"}


def test_values_that_both_changed_are_those_of_the_preferred_side() -> None:
    base, ours, theirs = ({"n": number, "w": one()} for number in (1, 2, 3))
    assert merge(base, {**ours, "o": one()}, {**theirs, "t": one()})["n"] == 2
    assert merge(base, {**ours, "o": one()}, {**theirs, "t": one()}, preferred=1)["n"] == 3


def test_without_a_base_all_of_both_is_there() -> None:
    assert merge(None, {"a": one(), "n": 1}, {"b": one(), "m": 2}).keys() == {"a", "n", "b", "m"}


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor", "ignore:TypedStorage")
def test_tensors_keep_what_they_are_beside_their_values() -> None:
    weight, complex_one = torch.arange(6.0).reshape(2, 3), torch.ones(2, dtype=torch.complex64) * 1j
    thing = {
        "embed": weight,
        "head": weight,
        "turned": weight.t(),
        "parameter": torch.nn.Parameter(one(), requires_grad=False),
        "grad": torch.ones(2, requires_grad=True),
        "sparse": torch.eye(2).to_sparse(),
        "quantized": torch.quantize_per_tensor(one(), 0.1, 0, torch.qint8),
        "conjugate": complex_one.conj(),
        "narrow": one().to(torch.float8_e4m3fn),
        "unsigned": one().to(torch.uint16),
        "wide": one()[:1].expand(3),
        "none": torch.zeros(0, 2),
    }
    found = merge(thing, {**thing, "ours": one()}, {**thing, "theirs": one()})
    assert found["head"].data_ptr() == found["embed"].data_ptr() == found["turned"].data_ptr()
    assert found["turned"].equal(weight.t())
    assert isinstance(found["parameter"], torch.nn.Parameter)
    assert (found["parameter"].requires_grad, found["grad"].requires_grad) == (False, True)
    assert found["sparse"].to_dense().equal(torch.eye(2))
    assert found["quantized"].dequantize().equal(thing["quantized"].dequantize())
    assert found["conjugate"].equal(complex_one.conj())
    assert found["narrow"].dtype == torch.float8_e4m3fn
    assert found["wide"].stride() == (0,)
    assert found["none"].shape == (0, 2)


def test_lists_of_which_one_holds_all_the_tensors() -> None:
    found = merge({"l": [one()]}, {"l": [one(), one()], "o": one()}, {"l": [one(), one(), one()]})
    assert len(found["l"]) == 3


def holding_itself(name: str) -> dict[str, object]:
    found: dict[str, object] = {"w": one(), name: one()}
    found["self"] = found
    return found


def with_a_tensor_as_attribute(name: str) -> OrderedDict[str, torch.Tensor]:
    found = OrderedDict({"w": one(), name: one()})
    found.__dict__["hidden"] = one()
    return found


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        ({"l": [one(), one()]}, {"l": {"2": one()}}, "its parts are not merged together"),
        (holding_itself("o"), holding_itself("t"), "nested more than"),
        (with_a_tensor_as_attribute("o"), with_a_tensor_as_attribute("t"), "attributes that hold tensors"),
    ],
    ids=["a list and a dict", "holds itself", "hidden"],
)
def test_what_no_object_can_be(ours: object, theirs: object, why: str) -> None:
    with pytest.raises(CannotWrite, match=why):
        merge(None, ours, theirs)
