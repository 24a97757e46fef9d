"""Where the prior art fails: each failure, reproduced there, is a promise here.

The rest of the table is held elsewhere: hooks and ``git lfs prune`` in theta_cli, push in theta_store/remotes,
unpickling in theta_filter/test_faults.py; the figures of speed in ``benchmarks/``.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save_file

from tests.conftest import Git

Tensors = Mapping[str, torch.Tensor]


def commit(git: Git, model: str, tensors: Tensors) -> None:
    save_file(dict(tensors), model)
    git("add", model, ".gitattributes")
    git("commit", "--quiet", "--message=a version")


def fork(git: Git, base: Tensors, ours: Tensors, theirs: Tensors) -> None:
    """Two branches that each changed the checkpoint; the current one is ``main``."""
    commit(git, "model.safetensors", base)
    git("switch", "--quiet", "--create", "feature-branch")
    commit(git, "model.safetensors", theirs)
    git("switch", "--quiet", "main")
    commit(git, "model.safetensors", ours)


def full(value: float) -> torch.Tensor:
    return torch.full((3,), float(value))


def merged(git: Git, *options: str) -> Tensors:
    git("merge", "--quiet", "--no-edit", *options, "feature-branch")
    return load_file("model.safetensors")


def test_average_is_the_mean(repo: Path, git: Git) -> None:
    fork(git, {"w": full(0)}, {"w": full(2)}, {"w": full(4)})
    assert torch.equal(merged(git, "--strategy=average")["w"], full(3))
    assert git("status", "--porcelain") == ""


def test_what_was_averaged_can_be_checked_out(repo: Path, git: Git) -> None:
    fork(git, {"w": full(0)}, {"w": full(2)}, {"w": full(4)})
    merged(git, "--strategy=average")
    git("checkout", "--quiet", "HEAD~1")
    git("checkout", "--quiet", "main")
    assert torch.equal(load_file("model.safetensors")["w"], full(3))


def test_both_sides_adding_a_group_is_not_a_deletion(repo: Path, git: Git) -> None:
    fork(git, {"w": full(0)}, {"w": full(0), "new": full(2)}, {"w": full(0), "new": full(4)})
    assert torch.equal(merged(git, "--strategy=average")["new"], full(3))


def test_the_same_change_on_both_sides_is_no_conflict(repo: Path, git: Git) -> None:
    fork(git, {"w": full(0), "x": full(0)}, {"w": full(1), "x": full(2)}, {"w": full(1), "x": full(0)})
    assert torch.equal(merged(git)["w"], full(1))


def test_changes_of_one_side_ask_nothing(repo: Path, git: Git) -> None:
    fork(git, {"w": full(0), "x": full(0)}, {"w": full(1), "x": full(0)}, {"w": full(0), "x": full(2)})
    result = merged(git)
    assert torch.equal(result["w"], full(1))
    assert torch.equal(result["x"], full(2))


@pytest.mark.parametrize("operation", ["rebase", "cherry-pick"])
def test_a_detached_head_merges_like_any_other(
    repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    fork(git, {"w": full(0)}, {"w": full(1)}, {"w": full(2)})
    monkeypatch.setenv("GIT_THETA_STRATEGY", "take-theirs")
    git("checkout", "--quiet", "--detach")
    git(operation, "feature-branch")
    expected = {"rebase": full(1), "cherry-pick": full(2)}[operation]
    assert torch.equal(load_file("model.safetensors")["w"], expected)


def test_an_edit_of_4e_7_is_kept(repo: Path, git: Git) -> None:
    values = torch.ones(1000)
    commit(git, "model.safetensors", {"w": values})
    values[17] += 4e-7
    commit(git, "model.safetensors", {"w": values})
    git("checkout", "--quiet", "HEAD~1")
    git("checkout", "--quiet", "main")
    assert torch.equal(load_file("model.safetensors")["w"], values)


def test_a_nan_hides_no_other_edit(repo: Path, git: Git) -> None:
    values = torch.ones(1000)
    values[0] = torch.nan
    commit(git, "model.safetensors", {"w": values})
    values[17] = 2
    commit(git, "model.safetensors", {"w": values})
    assert "1 group modified" in git("diff", "HEAD~1", "HEAD")
    git("checkout", "--quiet", "HEAD~1")
    git("checkout", "--quiet", "main")
    assert load_file("model.safetensors")["w"][17] == 2


def test_half_precision_and_float8_are_added_and_averaged(repo: Path, git: Git) -> None:
    dtypes = (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
    base, ours, theirs = ({str(dtype): full(value).to(dtype) for dtype in dtypes} for value in (0, 2, 4))
    fork(git, base, ours, theirs)
    result = merged(git, "--strategy=average")
    for dtype in dtypes:
        assert result[str(dtype)].dtype == dtype
        assert torch.equal(result[str(dtype)].float(), full(3))


def test_nested_dicts_and_other_values_are_kept(repo: Path, git: Git) -> None:
    content = {"model": {"w": full(1)}, "epoch": 3, "name": "run 7", "history": [0.5, 0.25]}
    torch.save(content, "model.pt")
    git("add", "model.pt")
    Path("model.pt").unlink()
    git("checkout-index", "model.pt")
    loaded = torch.load("model.pt")
    assert torch.equal(loaded["model"].pop("w"), full(1))
    assert loaded == {"model": {}, "epoch": 3, "name": "run 7", "history": [0.5, 0.25]}


def large_file(path: Path, groups: int, elements: int) -> None:
    """A safetensors file with holes where the file system can, so that it costs no disk."""
    length = elements * 4
    facts = {
        f"layer.{index}": {"dtype": "F32", "shape": [elements], "data_offsets": [index * length, (index + 1) * length]}
        for index in range(groups)
    }
    header = json.dumps(facts).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for index in range(groups):
            file.seek(8 + len(header) + index * length)
            file.write(struct.pack("<f", index + 1))
        file.truncate(8 + len(header) + groups * length)


def test_memory_does_not_grow_with_the_model(repo: Path, git: Git) -> None:
    large_file(repo / "model.safetensors", groups=8, elements=20_000_000)
    size = (repo / "model.safetensors").stat().st_size
    for command in ("add", "checkout-index"):
        script = (
            "import resource, subprocess, sys;"
            "done = subprocess.run([sys.executable, '-EPm', 'theta_filter.process']);"
            "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
            "open('.git/peak', 'w').write(str(peak)); sys.exit(done.returncode)"
        )
        config = f'filter.theta.process=exec "{sys.executable}" -c "{script}"'
        git("-c", config, *command.split(), "model.safetensors")
        assert int(Path(".git/peak").read_text()) * 1024 < min(size / 2, 300e6)
        Path(".git/peak").unlink()
        Path("model.safetensors").unlink(missing_ok=True)


def test_the_number_of_processes_does_not_grow_with_the_model(
    repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    def processes(groups: int) -> int:
        save_file({f"layer.{index}": full(index) for index in range(groups)}, "model.safetensors")
        done = subprocess.run(["git", "add", "model.safetensors"], capture_output=True, text=True, check=True)
        return done.stderr.count("run_command:") + done.stderr.count("trace: built-in:")

    monkeypatch.setenv("GIT_TRACE", "1")
    assert processes(100) == processes(1) > 0
