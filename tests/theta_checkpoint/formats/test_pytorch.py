"""Both PyTorch formats: the layout has the names, types, shapes and bytes that torch reads."""

from __future__ import annotations

import io
from argparse import Namespace
from collections import OrderedDict
from collections import defaultdict
from collections.abc import Callable

import pytest
import torch

from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import Layout

Agrees = Callable[[object], Layout]
LayoutOf = Callable[[object], Layout]

DTYPES = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "bool",
    "complex64",
    "complex128",
]


def texts(layout: Layout) -> dict[str, str]:
    return {value.name: value.text for value in layout.values}


def names(layout: Layout) -> list[str]:
    return [group.name for group in layout.groups]


def test_nested_names_are_joined_with_slashes(agrees: Agrees) -> None:
    layout = agrees({"a": OrderedDict(w=torch.arange(6.0).reshape(2, 3)), "b": [torch.ones(2), (torch.zeros(1),)]})
    assert names(layout) == ["a/w", "b/0", "b/1/0"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(agrees: Agrees, dtype: str) -> None:
    raw = torch.arange(64, dtype=torch.uint8) % 2
    agrees({"x": raw.view(getattr(torch, dtype)).reshape(2, -1), "y": torch.ones(1)})


def test_a_tensor_alone_is_called_content(layout_saved: LayoutOf) -> None:
    assert names(layout_saved(torch.ones(3))) == ["content"]


def test_scalars_and_empty_tensors(agrees: Agrees) -> None:
    layout = agrees({"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "also": torch.zeros(0)})
    assert [(group.name, group.shape, group.length) for group in layout.groups] == [
        ("also", (0,), 0),
        ("empty", (0, 4), 0),
        ("scalar", (), 4),
    ]


def test_tied_weights_are_owned_by_the_first_name(agrees: Agrees) -> None:
    weight = torch.arange(8.0).reshape(2, 4)
    layout = agrees({"z": weight, "embed": weight, "half": weight[1]})
    assert names(layout) == ["embed"]
    assert layout.aliases == (
        Alias("half", "F32", (4,), "embed", 16),
        Alias("z", "F32", (2, 4), "embed"),
    )


def test_transposed_tensors_keep_their_strides(agrees: Agrees) -> None:
    layout = agrees({"t": torch.arange(6.0).reshape(2, 3).t(), "one": torch.arange(3.0).reshape(1, 3).t()})
    assert {group.name: group.strides for group in layout.groups} == {"t": (1, 3), "one": None}


def test_channels_last_is_a_permutation(agrees: Agrees) -> None:
    image = torch.arange(120.0).reshape(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert agrees({"image": image}).groups[0].strides == image.stride()


def test_disjoint_views_of_one_storage_are_groups_of_their_own(agrees: Agrees) -> None:
    flat = torch.arange(12.0)
    layout = agrees({"w": flat[:8].view(2, 4), "b": flat[8:10]})
    assert names(layout) == ["b", "w"]
    assert layout.aliases == ()


def test_overlapping_views_share_one_flat_group(agrees: Agrees) -> None:
    flat = torch.arange(12.0)
    layout = agrees({"left": flat[:8], "right": flat[4:]})
    assert names(layout) == ["left#storage"]
    assert [alias.offset for alias in layout.aliases] == [0, 16]


def test_expanded_and_strided_views_share_one_flat_group(agrees: Agrees) -> None:
    layout = agrees({"wide": torch.tensor([3.0]).expand(5), "odd": torch.arange(9.0)[::2]})
    assert names(layout) == ["odd#storage", "wide#storage"]
    assert {alias.name: alias.strides for alias in layout.aliases} == {"wide": (0,), "odd": (2,)}


def test_a_view_expanded_beyond_its_owner_is_an_alias(agrees: Agrees) -> None:
    weight = torch.arange(4.0)
    layout = agrees({"mean": weight[1:2].expand(100), "w": weight})
    assert layout.aliases == (Alias("mean", "F32", (100,), "w", 4, (0,)),)


def test_other_pickle_protocols() -> None:
    file = io.BytesIO()
    torch.save({"w": torch.ones(2)}, file, _use_new_zipfile_serialization=False, pickle_protocol=4)
    assert names(layout_of(BytesSource(file.getvalue()))) == ["w"]


def test_a_slice_of_a_large_storage_keeps_all_of_it(agrees: Agrees) -> None:
    layout = agrees({"few": torch.arange(5000.0)[:10]})
    assert [(group.name, group.length) for group in layout.groups] == [("few#storage", 20000)]


def test_a_slice_of_a_small_storage_leaves_the_rest_to_the_skeleton(agrees: Agrees) -> None:
    assert [(group.name, group.length) for group in agrees({"few": torch.arange(500.0)[:10]}).groups] == [("few", 40)]


def test_a_name_that_occurs_twice_gets_a_number(layout_saved: LayoutOf) -> None:
    layout = layout_saved({"a": {"b": torch.ones(1)}, "a/b": torch.zeros(2)})
    assert {group.name: group.shape for group in layout.groups} == {"a/b": (1,), "a/b#2": (2,)}


def test_parameters_and_their_state(layout_saved: LayoutOf) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    setattr(parameter, "mask", torch.zeros(3))  # noqa: B010 (torch does not declare it)
    layout = layout_saved({"p": parameter, "q": torch.nn.Parameter(torch.ones(1))})
    assert names(layout) == ["p", "p/mask", "q"]


def test_optimizer_state(agrees: Agrees) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    layout = agrees({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3})
    assert "optimizer/state/0/exp_avg" in names(layout)
    found = texts(layout)
    assert (found["epoch"], found["optimizer/param_groups/0/lr"]) == ("3", "0.5")
    assert found["optimizer/param_groups/0/params"] == "[0, 1]"
    assert not [name for name in found if "_metadata" in name]


def test_a_whole_module(layout_saved: LayoutOf) -> None:
    layout = layout_saved(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)))
    assert "_modules/0/_parameters/weight" in names(layout)
    assert "_modules/1/_buffers/running_mean" in names(layout)
    assert texts(layout)["_modules/0/in_features"] == "3"


def test_a_subclass_of_tensor(layout_saved: LayoutOf) -> None:
    buffer = torch.nn.Buffer(torch.ones(2))
    assert names(layout_saved({"b": buffer})) == ["b"]


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_sparse_tensors_are_their_parts(layout_saved: LayoutOf) -> None:
    matrix = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    layout = layout_saved({"coo": matrix.to_sparse(), "csr": matrix.to_sparse_csr()})
    assert names(layout) == [
        "coo/indices",
        "coo/values",
        "csr/compressed_indices",
        "csr/plain_indices",
        "csr/values",
    ]
    assert texts(layout)["coo/size"].endswith("[[2, 2]]")


def test_an_unknown_reducer_with_tensors(layout_saved: LayoutOf) -> None:
    layout = layout_saved({"custom": Custom(torch.ones(2), 5)})
    assert names(layout) == ["custom/0"]


def test_objects_with_attributes(layout_saved: LayoutOf) -> None:
    layout = layout_saved(
        {"args": Namespace(lr=0.1, tags=[], init=torch.ones(1), model=None), "d": defaultdict(list, a=[1])}
    )
    assert names(layout) == ["args/init"]
    assert texts(layout) == {"args/lr": "0.1", "args/model": "null", "d/a": "[1]"}


def test_values_are_short_lines_of_json(layout_saved: LayoutOf) -> None:
    found = texts(
        layout_saved(
            {
                "nan": float("nan"),
                "infinite": -float("inf"),
                "text": "tab\tline\nü\x7f",
                "none": None,
                "many": list(range(10_000)),
                "long": "x" * 201,
                "dict": {},
                "vocabulary": {f"token {i}": i for i in range(200)},
                "dtype": torch.float16,
                "size": torch.Size([2, 3]),
                "bytes": b"123",
                "huge": 10**5000,
                "set": {1},
            }
        )
    )
    assert found["nan"] == "NaN"
    assert found["infinite"] == "-Infinity"
    assert found["text"] == r'"tab\tline\n\u00fc\u007f"'
    assert found["none"] == "null"
    assert found["many"].startswith("list[10000] blake3:")
    assert found["long"].startswith("str[201] blake3:")
    assert found["dict"] == "{}"
    assert found["vocabulary"].startswith("dict[200] blake3:")
    assert found["dtype"] == "class torch.float16"
    assert found["size"] == "torch.Size [[2, 3]]"
    assert found["huge"].startswith("int blake3:")
    assert all(text.isprintable() for text in found.values())


def test_a_change_in_a_long_value_shows(layout_saved: LayoutOf) -> None:
    one, other = (texts(layout_saved({"x": [*range(1000), last]}))["x"] for last in (1, 2))
    assert one != other
    assert one == texts(layout_saved({"x": [*range(1000), 1]}))["x"]


def test_objects_that_hold_themselves_are_listed_once(layout_saved: LayoutOf) -> None:
    node = Namespace(w=torch.ones(1))
    node.self = node
    assert names(layout_saved(node)) == ["w"]


class Custom:
    def __init__(self, tensor: torch.Tensor, number: int) -> None:
        self.parts = (tensor, number)

    def __reduce__(self) -> tuple[type, tuple[torch.Tensor, int]]:
        return Custom, self.parts


def test_two_legacy_files_in_one_are_opaque_as_the_second_would_be_lost_in_a_merge() -> None:
    file = io.BytesIO()
    for value in (torch.ones(3), torch.zeros(3)):
        torch.save(value, file, _use_new_zipfile_serialization=False)
    found = layout_of(BytesSource(file.getvalue()))
    assert found.format == "opaque"
    assert "a second one" in (found.warning or "")
