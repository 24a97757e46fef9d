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
from theta import saving
from theta.loading import Framework
from theta.loading import NoSuchGroup
from theta.loading import NotACheckpoint
from theta.saving import NotTracked
from theta.saving import TensorChanged
from theta_checkpoint.layout import Source
from theta_git.commits import BranchMoved
from theta_git.commits import NoBranch
from theta_store.identify import Identified
from theta_store.identify import identified

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


def test_a_nested_file_comes_back_whole(tracked: Path, git: Git) -> None:
    model = torch.nn.Linear(3, 2)
    theta.save({"model": model.state_dict(), "epoch": 3, "rates": (0.1, None)}, "run.pt", message="x", branch="runs/1")
    with theta.open_file("runs/1", "run.pt") as file:
        found = torch.load(file, weights_only=True)
    assert (found["epoch"], found["rates"]) == (3, (0.1, None))
    model.load_state_dict(found["model"])
    git("switch", "--quiet", "runs/1")
    with theta.open_file("HEAD", "run.pt") as file:
        assert file.read() == (tracked / "run.pt").read_bytes()


def test_the_groups_of_one_entry_have_its_names(tracked: Path) -> None:
    model = torch.nn.Linear(3, 2)
    theta.save({"ema": {"model": model.state_dict()}, "step": torch.tensor(3)}, "run.pt", message="x")
    inner = theta.load("HEAD", "run.pt").within("ema").within("model")
    assert sorted(inner) == ["bias", "weight"]
    model.load_state_dict(inner)
    with pytest.raises(NoSuchGroup, match=r"within 'model'; there are: ema/model/bias, ema/model/weight, step"):
        theta.load("HEAD", "run.pt").within("model")


def test_a_pattern_that_matches_nothing_is_told(tracked: Path) -> None:
    theta.save({**STATE, "[odd]": STATE["w"]}, "m.safetensors", message="trained")
    with pytest.raises(NoSuchGroup, match=r"no group matches 'encoder\.\*'; there are: .* and 1 more"):
        theta.load("HEAD", "m.safetensors", ["w", "encoder.*"])
    assert list(theta.load("HEAD", "m.safetensors", "[odd]")) == ["[odd]"]


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_values_may_be_changed_in_place(tracked: Path, framework: Framework) -> None:
    theta.save(STATE, "m.safetensors", message="trained")
    loaded = theta.load("HEAD", "m.safetensors", framework=framework)
    first = loaded["w"]
    first += 1
    assert (first == loaded["w"] + 1).all()


def test_views_that_show_other_values_of_the_same_memory_are_kept_apart(tracked: Path) -> None:
    tensor = torch.tensor([1 + 2j, 3 - 4j])
    theta.save({"a": tensor, "b": tensor.conj(), "c": tensor.imag, "d": tensor.conj().imag}, "m.pt", message="x")
    found = theta.load("HEAD", "m.pt")
    assert [found[name].tolist() for name in "abcd"] == [[1 + 2j, 3 - 4j], [1 - 2j, 3 + 4j], [2.0, -4.0], [-2.0, 4.0]]


@pytest.mark.parametrize("path", ["m.pt", "m.safetensors"])
@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (torch.empty(2, device="meta"), "meta device"),
        (torch.eye(2).to_sparse(), r"layout is torch\.sparse_coo"),
        (torch.nn.UninitializedParameter(), "no shape before"),
        (torch.empty(2, dtype=torch.bits8), r"tensors of torch\.bits8 cannot be saved"),
        (np.array(["a"]), "tensors of <U1 cannot be saved"),
    ],
)
def test_a_tensor_that_cannot_be_kept_is_named(tracked: Path, path: str, tensor: object, why: str) -> None:
    with pytest.raises(ValueError, match=f"layer: .*{why}"):
        theta.save({"layer": tensor}, path, message="x")


@pytest.mark.parametrize(
    "state",
    [{0: torch.ones(1)}, {"__metadata__": torch.ones(1)}, {"z": torch.ones(1, dtype=torch.complex128)}, {"a": {}}],
)
def test_a_safetensors_file_that_nobody_could_read_is_not_written(tracked: Path, state: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(state))}: a safetensors file"):
        theta.save(state, "m.safetensors", message="x")


def test_a_module_is_no_state_dict(tracked: Path) -> None:
    with pytest.raises(ValueError, match=r"a Linear is not a state dict; .*state_dict\(\)"):
        theta.save(torch.nn.Linear(1, 1), "m.pt", message="x")  # type: ignore[arg-type]


def test_a_branch_by_its_full_name(tracked: Path, git: Git) -> None:
    commit = theta.save(STATE, "m.pt", message="x", branch="refs/heads/side")
    assert git("rev-parse", "side").strip() == commit
    for name in ("a..b", "-x", "@{-1}"):
        with pytest.raises(NoBranch, match="not a valid branch name"):
            theta.save(STATE, "m.pt", message="x", branch=name)


@pytest.mark.parametrize("branch", ["main", "runs/1"])
def test_a_branch_that_moves_meanwhile_is_followed(
    tracked: Path, git: Git, monkeypatch: pytest.MonkeyPatch, branch: str
) -> None:
    theta.save(STATE, "m.safetensors", message="first", branch=branch)
    _meanwhile(monkeypatch, lambda: theta.save(STATE, "other.pt", message="meanwhile", branch=branch))
    theta.save({"w": STATE["w"] + 1}, "m.safetensors", message="second", branch=branch)
    assert git("log", "-3", "--format=%s", branch).split() == ["second", "meanwhile", "first"]
    assert list(theta.load(branch, "other.pt")) == sorted(STATE)


def test_another_version_that_came_meanwhile_is_not_covered(
    tracked: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meanwhile(monkeypatch, lambda: theta.save(STATE, "m.pt", message="meanwhile"))
    with pytest.raises(BranchMoved, match=r"m\.pt: main got another version meanwhile; save it again"):
        theta.save({"w": STATE["w"] + 1}, "m.pt", message="second")
    assert git("log", "-1", "--format=%s") == "meanwhile\n"


def _meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have something else happen, once, while theta.save identifies the tensors."""

    def identified_and_then(source: Source) -> Identified:
        found = identified(source)
        monkeypatch.setattr(saving, "identified", identified)
        action()
        return found

    monkeypatch.setattr(saving, "identified", identified_and_then)


def test_a_tensor_that_is_written_to_meanwhile_is_told(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"w": torch.zeros(100_000)}
    _meanwhile(monkeypatch, lambda: state["w"].add_(1))
    with pytest.raises(TensorChanged, match="save a copy"):
        theta.save(state, "m.pt", message="x")
