"""Merges that change which groups there are, of what shape and dtype, and how they are tied."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors import safe_open

from tests.conftest import Git
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import MODEL
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import Run
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from tests.theta_merge.conftest import theta


def fork(git: Git, base: Any, ours: Any, theirs: Any, path: str = "m.pt", legacy: bool = False) -> None:
    """Three versions of a PyTorch checkpoint on main and side."""
    for branch, state in (("main", base), ("side", theirs), ("main", ours)):
        git("switch", "-qc" if state is theirs else "-q", branch) if state is not base else None
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
        git("add", ".")
        git("commit", "-qm", branch, "--allow-empty")


def merged(git: Git, path: str = "m.pt") -> Any:
    git("merge", "--no-edit", "side")
    assert git("status", "--porcelain") == ""
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("strategy", ["take-ours", "average"])
def test_both_sides_added_groups(forked: Path, git: Git, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    for branch, groups in (("side", {**THEIRS, "theirs.new": 8.0}), ("main", {**OURS, "ours.new": 9.0})):
        git("switch", "-q", branch)
        save(MODEL, groups)
        git("commit", "-qam", "grow")
    monkeypatch.setenv("GIT_THETA_STRATEGY", strategy)
    git("merge", "--no-edit", "side")
    a = 1.0 if strategy == "take-ours" else 2.0
    assert load(MODEL) == {"a": a, "b": 1.0, "c": 4.0, "d": 0.0, "ours.new": 9.0, "theirs.new": 8.0}


def test_one_side_added_what_the_other_deleted_around(forked: Path, git: Git) -> None:
    for branch, groups in (("side", {**BASE, "new": 8.0}), ("main", dict.fromkeys("abc", 0.0))):
        git("switch", "-q", branch)
        save(MODEL, groups)
        git("commit", "-qam", "change")
    git("merge", "--no-edit", "side")
    assert load(MODEL) == {"a": 0.0, "b": 0.0, "c": 0.0, "new": 8.0}


def test_a_new_pytorch_file_holds_nested_dicts_and_merged_values(repo: Path, git: Git) -> None:
    one = torch.ones(2)
    base = {"model": {"w": one}, "epoch": 1, "lr": 0.1}
    ours = {"model": {"w": one, "a": one * 2}, "epoch": 2, "lr": 0.1}
    theirs = {"model": {"w": one, "b": one * 3}, "epoch": 1, "lr": 0.5}
    fork(git, base, ours, theirs)
    found = merged(git)
    assert found["model"].keys() == {"w", "a", "b"}
    assert found["model"]["b"].tolist() == [3.0, 3.0]
    assert (found["epoch"], found["lr"]) == (2, 0.5)


def training() -> dict[str, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}


def test_both_sides_added_to_a_training_checkpoint(repo: Path, git: Git) -> None:
    base, ours, theirs = training(), training(), training()
    ours |= {"ema": [torch.ones(2)], "step": 7}
    theirs["model"]["head.weight"] = torch.ones(5)
    theirs["optimizer"]["param_groups"][0]["lr"] = 0.5
    fork(git, base, ours, theirs)
    found = merged(git)
    assert found.keys() == {"model", "optimizer", "rng", "ema", "step"}
    assert found["model"]["head.weight"].equal(torch.ones(5))
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2)) for _ in range(4)])
    optimizer.load_state_dict(found["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_a_new_file_is_clean_in_a_clone_that_did_not_merge_it(repo: Path, git: Git) -> None:
    base, ours, theirs = ({"w": torch.ones(3), "none": torch.zeros(0)} for _ in range(3))
    fork(git, base, {**ours, "a": torch.ones(2)}, {**theirs, "b": torch.ones(2)})
    merged(git)
    (repo / ".git/theta/known.sqlite").unlink()
    (repo / "m.pt").touch()
    git("add", "m.pt")
    assert git("status", "--porcelain") == ""


def test_deleted_here_and_changed_there_is_a_conflict(forked: Path, git: Git, run: Run) -> None:
    save(MODEL, {name: OURS[name] for name in "bcd"})
    git("commit", "-qam", "delete a")
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert done.returncode == 1
    assert "a: theirs changed it, ours deleted it (ours deleted it; take one side)" in done.stderr
    assert load(MODEL) == {"b": 1.0, "c": 4.0, "d": 0.0}
    git("merge", "--abort")
    git("merge", "--no-edit", "-X", "theirs", "side")
    assert load(MODEL)["a"] == 3.0


def test_a_dtype_changed_on_one_side_is_kept(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    zero = {"w": torch.zeros(5), "v": torch.zeros(3)}
    fork(
        git, zero, {"w": torch.ones(5).bfloat16(), "v": torch.zeros(3).bfloat16()}, {**zero, "w": torch.full((5,), 2.0)}
    )
    found = merged(git)
    assert found["w"].dtype == torch.bfloat16
    assert found["w"].tolist() == [1.5] * 5
    assert found["v"].dtype == torch.bfloat16


def test_a_transposed_group_is_poured_in_the_order_of_its_file(
    repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    values = torch.arange(6.0).reshape(2, 3)
    ours = {"w": (values + 1).t().contiguous().t(), "v": torch.zeros(2)}
    fork(git, {"w": values, "v": torch.zeros(2)}, ours, {"w": values + 3, "v": torch.ones(2)})
    assert ours["w"].stride() == (1, 2)
    found = merged(git)
    assert found["w"].equal(values + 2)
    assert found["w"].stride() == (1, 2)
    assert found["v"].tolist() == [1.0, 1.0]


def test_ties_stay_ties(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")

    def tied(value: float) -> dict[str, torch.Tensor]:
        weight = torch.full((3, 2), value)
        return {"embed": weight, "head": weight}

    fork(git, tied(0.0), tied(1.0), tied(3.0))
    found = merged(git)
    assert found["head"].tolist() == [[2.0, 2.0]] * 3
    assert found["head"].data_ptr() == found["embed"].data_ptr()


def test_a_tie_that_one_side_untied_is_merged_by_value(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    zero, one = torch.zeros(3, 2), torch.ones(3, 2)
    fork(git, {"embed": zero, "head": zero}, {"embed": one, "head": one}, {"embed": zero.clone(), "head": one * 5})
    found = merged(git)
    assert found["embed"].equal(one)
    assert found["head"].equal(one * 3)


def test_other_formats_on_each_side(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "take-theirs")
    save("m.pt", {"a": 0.0, "b": 0.0})
    git("add", ".")
    git("commit", "-qm", "safetensors, whatever it is called")
    git("switch", "-qc", "side")
    torch.save({"a": torch.full((4, 3), 2.0), "b": torch.zeros(4, 3)}, "m.pt")
    git("commit", "-qam", "PyTorch")
    git("switch", "-q", "main")
    save("m.pt", {"a": 1.0, "b": 1.0})
    git("commit", "-qam", "ours")
    found = merged(git)
    assert {name: tensor.unique().item() for name, tensor in found.items()} == {"a": 2.0, "b": 1.0}


def test_the_common_rows_of_a_grown_vocabulary(repo: Path, git: Git, run: Run) -> None:
    base = torch.zeros(4, 3)
    grown = torch.cat([base + 1, torch.full((2, 3), 9.0)])
    fork(git, {"embed": base}, {"embed": grown}, {"embed": base + 3})
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert "the shapes differ: F32[4,3] and F32[6,3]" in done.stderr
    assert "-X rows=common" in done.stderr
    git("merge", "--abort")
    env = {"GIT_THETA_STRATEGY": "average", "GIT_THETA_OPTIONS": "rows=common"}
    done = run("git", "merge", "--no-edit", "side", env=env)
    assert done.returncode == 0, done.stderr
    found = torch.load("m.pt", weights_only=True)["embed"]
    assert found.equal(torch.cat([base + 2, torch.full((2, 3), 9.0)]))


@pytest.mark.parametrize("legacy", [False, True])
def test_values_that_one_side_changed_each_are_merged(repo: Path, git: Git, run: Run, legacy: bool) -> None:
    def state(epoch: int, lr: float, note: str) -> dict[str, object]:
        state = {0: {"step": epoch * 10, "avg": torch.ones(2)}}
        groups = [{"lr": lr, "betas": (0.9, 0.99), "nesterov": True}]
        return {"w": torch.ones(2), "epoch": epoch, "note": note, "opt": {"state": state, "param_groups": groups}}

    versions = (state(3, 0.1, "a"), state(300000, 0.1, "a"), state(3, 0.02, "a longer note"))
    fork(git, *versions, legacy=legacy)
    told = run("git", "merge", "--no-edit", "side").stderr
    assert ("the merged file is pytorch-zip, which PyTorch 1.6 and later reads" in told) is legacy
    found = torch.load("m.pt")
    assert (found["epoch"], found["note"]) == (300000, "a longer note")
    assert found["opt"]["param_groups"] == [{"lr": 0.02, "betas": (0.9, 0.99), "nesterov": True}]
    assert found["opt"]["state"][0]["step"] == 3000000
    assert zipfile.ZipFile("m.pt").testzip() is None


def test_metadata_that_one_side_changed_each_is_merged(repo: Path, git: Git) -> None:
    versions = ({"epoch": "3", "lr": "1"}, {"epoch": "4", "lr": "1", "ours": "x"}, {"epoch": "3", "lr": "2"})
    for branch, metadata in zip(("main", "side", "main"), (versions[0], versions[2], versions[1]), strict=True):
        git("switch", "-qc" if branch == "side" else "-q", branch) if metadata is not versions[0] else None
        save(MODEL, OURS, metadata)
        git("add", ".")
        git("commit", "-qm", branch)
    git("merge", "--no-edit", "side")
    with safe_open(MODEL, "numpy") as file:
        assert file.metadata() == {"epoch": "4", "lr": "2", "ours": "x"}
    assert load(MODEL) == OURS


@pytest.mark.parametrize(("values", "epoch"), [("ours", 4), ("theirs", 5)])
def test_values_that_both_sides_changed(repo: Path, git: Git, run: Run, values: str, epoch: int) -> None:
    base, ours, theirs = ({"w": torch.ones(2), "epoch": number} for number in (3, 4, 5))
    fork(git, base, ours, theirs)
    done = run("git", "merge", "--no-edit", "side")
    assert done.returncode == 1
    assert "1 value in conflict" in done.stderr
    assert "epoch: a value: base 3, ours 4, theirs 5" in done.stderr
    git("merge", "--abort")
    git("config", "theta.merge.values", values)
    assert merged(git)["epoch"] == epoch


def test_values_are_settled_one_by_one(repo: Path, git: Git, run: Run) -> None:
    base, ours, theirs = ({"w": torch.full((2,), n), "epoch": n, "lr": n / 10} for n in (3.0, 4.0, 5.0))
    fork(git, base, ours, theirs)
    run("git", "merge", "side")
    theta(run, "resolve", "--match", "epoch", "-s", "take-theirs")
    theta(run, "resolve", "--match", "lr", "-s", "take-ours")
    assert theta(run, "resolve", "-s", "average").returncode == 0
    found = torch.load("m.pt", weights_only=True)
    assert (found["epoch"], found["lr"], found["w"].tolist()) == (5.0, 0.4, [4.5, 4.5])


def test_arrays_among_the_values_are_a_conflict_whatever_the_strategy(repo: Path, git: Git, run: Run) -> None:
    def state(content: int, epoch: int) -> dict[str, object]:
        return {"w": torch.full((2,), float(content)), "epoch": epoch, "table": numpy.full(9, content)}

    fork(git, state(0, 1), state(1, 2), state(2, 3))
    done = run("git", "merge", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert done.returncode == 1
    assert "table/state/4: a value: base _codecs.encode blake3:" in done.stderr
    assert "never averaged; take one side" in done.stderr
    assert theta(run, "resolve", "--values", "theirs").returncode == 0
    found = torch.load("m.pt", weights_only=False)
    assert (found["epoch"], found["w"].tolist()) == (3, [1.5, 1.5])
    assert found["table"].tolist() == [2] * 9
