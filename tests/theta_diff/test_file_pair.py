from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from theta_diff.compare import Comparison
from theta_diff.compare import compared
from theta_diff.file_pair import file_pair
from theta_store.checkpoint import opened

W = torch.arange(12.0).reshape(3, 4)
TIED = torch.ones(4, 4)


def facts(comparison: Comparison) -> dict[str, Any]:
    return {
        "added": [t.name for t in comparison.added],
        "removed": [t.name for t in comparison.removed],
        "modified": [pair.new.name for pair in comparison.modified],
        "renamed": [(pair.old.name, pair.new.name) for pair in comparison.renamed],
        "same": [t.name for t in comparison.same],
        "ties": (comparison.tied, comparison.untied),
        "values": comparison.values,
        "other_bytes": comparison.other_bytes,
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": W}, {"a": W.clone()}),
        ({"a": W}, {"a": W + 1}),
        ({"a": W}, {"a": W.half()}),
        ({"a": W}, {"a": W.reshape(4, 3)}),
        ({"a": W, "b": W + 1}, {"a": W, "c": W + 1}),
        ({"a": W, "b": W + 1}, {"b": W + 2, "c": W}),
        ({"a": TIED, "b": TIED}, {"b": TIED, "a": TIED}),
        ({"a": TIED, "b": TIED}, {"a": TIED, "b": TIED.clone()}),
        ({"a": TIED, "b": TIED[0]}, {"a": TIED, "b": TIED[1]}),
        ({"a": W.t()}, {"a": W.t().contiguous()}),
        ({"a": W, "epoch": 3}, {"a": W, "epoch": 4}),
        ({"a": torch.zeros(0)}, {"a": torch.zeros(0), "b": torch.zeros(())}),
    ],
)
def test_the_pair_differs_as_its_manifests_do(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    torch.save(old, tmp_path / "old.pt")
    torch.save(new, tmp_path / "new.pt")
    left, right = file_pair(tmp_path / "old.pt", tmp_path / "new.pt")
    with opened(tmp_path / "old.pt") as before, opened(tmp_path / "new.pt") as after:
        expected = compared(before.manifest, after.manifest)
    assert facts(compared(left.manifest, right.manifest)) == facts(expected)


def test_other_bytes_of_a_file_are_a_difference(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    for name, spaces in (("old", 3), ("new", 11)):
        text = header + b" " * spaces
        (tmp_path / name).write_bytes(len(text).to_bytes(8, "little") + text + b"ab")
    left, right = file_pair(tmp_path / "old", tmp_path / "new")
    assert compared(left.manifest, right.manifest).other_bytes


def test_values_are_read_from_both_files(tmp_path: Path) -> None:
    torch.save({"a": W}, tmp_path / "old.pt")
    torch.save({"a": W + 1}, tmp_path / "new.pt")
    left, right = file_pair(tmp_path / "old.pt", tmp_path / "new.pt")
    assert b"".join(left.checkpoint().chunks("a")) == W.numpy().tobytes()
    assert b"".join(right.checkpoint().chunks("a")) == (W + 1).numpy().tobytes()
