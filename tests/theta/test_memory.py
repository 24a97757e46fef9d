"""theta.save and theta.load: checkpoints without files."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import theta
from theta.loading import Framework
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


def _epochs(framework: Framework, repository: Path, branch: str) -> list[dict[str, Any]]:
    """What a trainer does: load the newest version, change all of it, save it; the states that were saved."""
    states: list[dict[str, Any]] = []
    for epoch in range(4):
        found = theta.load(branch, "m.safetensors", framework=framework, repository=repository) if states else {}
        noise = np.random.default_rng(epoch).standard_normal((40, 30), np.float32)
        new = torch.from_numpy(noise) if framework == "torch" else noise
        states.append({"w": found["w"] + 0.01 * new if found else new, "head": new[0]})
        theta.save(states[-1], "m.safetensors", message=f"Epoch {epoch}", branch=branch, repository=repository)
    return states


def _as_saved(framework: Framework, repository: Path, branch: str, states: list[dict[str, Any]]) -> bool:
    for back, state in enumerate(reversed(states)):
        found = theta.load(f"{branch}~{back}", "m.safetensors", framework=framework, repository=repository)
        if any(not (found[name] == values).all() for name, values in state.items()):
            return False
    return True


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_a_training_loop_on_a_branch_of_its_own(tracked: Path, git: Git, framework: Framework) -> None:
    (tracked / "notes").write_text("not committed")
    before = sorted(path.name for path in tracked.iterdir())
    states = _epochs(framework, tracked, "runs/1")
    assert _as_saved(framework, tracked, "runs/1", states)
    assert sorted(path.name for path in tracked.iterdir()) == before
    assert git("status", "--porcelain") == "?? notes\n"
    assert git("log", "--format=%s", "runs/1").split("\n")[:-1] == [*(f"Epoch {n}" for n in (3, 2, 1, 0)), "track"]
    git("switch", "--quiet", "runs/1")
    assert sorted(load_file(tracked / "m.safetensors")) == ["head", "w"]
    assert git("status", "--porcelain") == "?? notes\n"


def test_a_training_loop_in_a_bare_repository(tracked: Path, git: Git) -> None:
    bare = tracked.parent / "bare.git"
    git("clone", "--quiet", "--bare", ".", str(bare))
    assert _as_saved("torch", bare, "runs/1", _epochs("torch", bare, "runs/1"))
    with pytest.raises(NotTracked, match=r"git theta track m\.bin"):
        theta.save(STATE, "m.bin", message="x", repository=bare)
    git("clone", "--quiet", "--branch=runs/1", str(bare), "../clone")
    git("-C", "../clone", "theta", "pull")
    assert sorted(load_file(tracked.parent / "clone/m.safetensors")) == ["head", "w"]


def test_two_training_loops_while_someone_commits(tracked: Path, git: Git) -> None:
    git("commit", "--quiet", "--allow-empty", "-m", "begin")
    with ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(_epochs, "numpy", tracked, name) for name in ("runs/1", "runs/2")}
        for number in range(5):
            (tracked / "notes").write_text(f"{number}")
            git("add", "notes")
            git("commit", "--quiet", "-m", f"note {number}")
    assert all(_as_saved("numpy", tracked, name, states.result()) for name, states in runs.items())
    assert git("log", "-5", "--format=%s").split("\n")[:-1] == [f"note {number}" for number in (4, 3, 2, 1, 0)]
    assert git("status", "--porcelain") == ""
    assert "0 findings" in git("theta", "fsck")


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
