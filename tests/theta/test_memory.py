"""theta.save and theta.load: checkpoints without files."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import theta
from theta.loading import NotACheckpoint
from theta.saving import NotTracked

Git = Callable[..., str]

STATE = {
    "w": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "scalar": torch.tensor(7),
    "none": torch.empty(0, 4),
    "yes": torch.tensor([True, False]),
}


def _equal(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and bool((left == right).all())


@pytest.fixture
def tracked(repo: Path, git: Git) -> Path:
    git("add", ".gitattributes")
    git("commit", "--quiet", "-m", "track")
    return repo


@pytest.mark.parametrize("path", ["m.safetensors", "deep/er/m.pt"])
def test_what_was_saved_is_loaded(tracked: Path, path: str) -> None:
    commit = theta.save(STATE, path, message="trained")
    loaded = theta.load(commit, path)
    assert loaded.keys() == STATE.keys()
    assert all(_equal(loaded[name], tensor) for name, tensor in STATE.items())


def test_the_commit_is_an_ordinary_checkpoint(tracked: Path, git: Git) -> None:
    theta.save(STATE, "m.safetensors", message="trained", metadata={"format": "pt"})
    assert not (tracked / "m.safetensors").exists()
    git("checkout", "--", "m.safetensors")
    assert git("status", "--porcelain") == ""
    found = load_file(tracked / "m.safetensors")
    assert all(_equal(found[name], tensor) for name, tensor in STATE.items())
    assert git("log", "-1", "--format=%s") == "trained\n"


def test_nested_state_dicts_and_plain_values_in_a_pytorch_file(tracked: Path, git: Git) -> None:
    theta.save({"model": STATE, "epoch": 3, "rates": [0.1, 0.2]}, "m.pt", message="trained")
    git("checkout", "--", "m.pt")
    found = torch.load(io.BytesIO((tracked / "m.pt").read_bytes()), weights_only=True)
    assert found["epoch"] == 3
    assert found["rates"] == [0.1, 0.2]
    assert _equal(found["model"]["w"], STATE["w"])


def test_a_training_state_comes_back_as_torch_would_have_saved_it(tracked: Path, git: Git) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    tied = torch.ones(2, 3)
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema": [torch.ones(1), (torch.zeros(2), None)],
        "facts": (torch.Size([2]), torch.float16, torch.device("cpu"), b"\xff", {"a"}, 2**70, float("inf")),
        "tied": {"embed": tied, "head": tied.view(2, 3)},
    }
    theta.save(state, "m.pt", message="trained")
    git("checkout", "--", "m.pt")
    assert git("status", "--porcelain") == ""
    found = torch.load(tracked / "m.pt", weights_only=True)
    assert list(found) == list(state)
    assert found["facts"] == state["facts"]
    assert type(found["model"]) is OrderedDict
    assert vars(found["model"]) == vars(state["model"])
    assert found["tied"]["head"].data_ptr() == found["tied"]["embed"].data_ptr()
    assert found["ema"][1][1] is None
    optimizer.load_state_dict(found["optimizer"])
    model.load_state_dict(found["model"])
    assert list(theta.load("HEAD", "m.pt", "optimizer/state/0/*")) == [
        "optimizer/state/0/exp_avg",
        "optimizer/state/0/exp_avg_sq",
        "optimizer/state/0/step",
    ]


def test_what_cannot_be_saved_is_named(tracked: Path) -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    for thing, why in ((object(), r"a/1: a object cannot be written"), (loop, "nested too deeply")):
        with pytest.raises(ValueError, match=why):
            theta.save({"a": [1, thing]}, "m.pt", message="x")


def test_arrays_of_numpy(tracked: Path) -> None:
    theta.save({"a": np.arange(4, dtype=">i4")}, "m.safetensors", message="arrays")
    array = theta.load("HEAD", "m.safetensors", framework="numpy")["a"]
    assert array.dtype == np.dtype("<i4")
    assert array.tolist() == [0, 1, 2, 3]


def test_only_the_groups_that_were_asked_for(tracked: Path) -> None:
    theta.save(STATE, "m.safetensors", message="trained")
    assert set(theta.load("HEAD", "m.safetensors", "*a*")) == {"half", "scalar"}
    assert set(theta.load("HEAD", "m.safetensors", ["w", "yes"])) == {"w", "yes"}
    with pytest.raises(KeyError):
        theta.load("HEAD", "m.safetensors", "w")["half"]


def test_what_did_not_change_is_not_stored_again(tracked: Path) -> None:
    theta.save(STATE, "m.safetensors", message="first")
    before = set((tracked / ".git/theta/objects").glob("??/*"))
    commit = theta.save(STATE, "m.safetensors", message="again")
    assert set((tracked / ".git/theta/objects").glob("??/*")) == before
    assert theta.load(commit, "m.safetensors").manifest == theta.load(f"{commit}~", "m.safetensors").manifest


def test_another_branch_and_what_is_staged_are_left_alone(tracked: Path, git: Git) -> None:
    theta.save(STATE, "m.safetensors", message="on the side", branch="side")
    assert git("ls-files").split() == [".gitattributes"]
    assert git("log", "-1", "--format=%s", "side") == "on the side\n"
    assert git("log", "-1", "--format=%s", "main") == "track\n"


def test_the_path_is_seen_from_the_folder(tracked: Path) -> None:
    (tracked / "sub").mkdir()
    theta.save(STATE, "m.pt", message="below", repository=tracked / "sub")
    os.chdir(tracked / "sub")
    assert "w" in theta.load("HEAD", "m.pt")
    assert "w" in theta.load("HEAD", tracked / "sub/m.pt")


def test_errors_say_what_is_wrong(tracked: Path) -> None:
    with pytest.raises(NotTracked, match=r"git theta track m\.bin"):
        theta.save(STATE, "m.bin", message="x")
    with pytest.raises(NotACheckpoint, match=r"HEAD:m\.pt: there is no file"):
        theta.load("HEAD", "m.pt")
    with pytest.raises(NotACheckpoint, match=r"nowhere:m\.pt: there is no such revision"):
        theta.load("nowhere", "m.pt")
    with pytest.raises(NotACheckpoint, match="not tracked"):
        theta.load("HEAD", ".gitattributes")
    with pytest.raises(ValueError, match="safetensors file has no place for it"):
        theta.save({"w": STATE["w"], "epoch": 3}, "m.safetensors", message="x")
