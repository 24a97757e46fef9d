"""smudge(clean(x)) == x, through real git commands."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import Git


class Config:
    """A user's own class inside a checkpoint."""

    def __init__(self) -> None:
        self.hidden = 8
        self.table = torch.eye(3)


def state_dict() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"encoder.weight": torch.randn(33, 17), "encoder.bias": torch.zeros(33), "steps": torch.tensor(7)}


def tied() -> dict[str, torch.Tensor]:
    weight = torch.randn(20, 8)
    return {"embed.weight": weight, "head.weight": weight, "head.transposed": weight.T, "first_rows": weight[:3]}


def training_state() -> dict[str, Any]:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "lr": 1e-3,
        "config": Config(),
    }


def every_dtype() -> dict[str, torch.Tensor]:
    floats = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
    integers = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    dtypes = (*floats, *integers, torch.complex64, torch.complex128)
    return {str(dtype): torch.arange(6).reshape(2, 3).to(dtype) for dtype in dtypes}


def odd_shapes() -> dict[str, torch.Tensor]:
    return {
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 4),
        "one": torch.ones(1),
        "strided": torch.randn(6, 6)[::2, 1::3],
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "expanded": torch.ones(1).expand(4),
    }


TORCH_CONTENTS = [state_dict, tied, training_state, every_dtype, odd_shapes]


def check_round_trip(git: Git, path: Path) -> None:
    original = path.read_bytes()
    git("add", str(path))
    git("commit", "--quiet", "--message=model")
    assert git("show", f"HEAD:{path.name}").startswith("theta 1\n")
    path.unlink()
    git("checkout", "--", str(path))
    assert path.read_bytes() == original
    os.utime(path)
    assert git("status", "--porcelain", path.name) == ""


@pytest.mark.parametrize("content", TORCH_CONTENTS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_torch_checkpoints_come_back_byte_for_byte(repo: Path, git: Git, content: Any, zipped: bool) -> None:
    torch.save(content(), repo / "model.pt", _use_new_zipfile_serialization=zipped)
    check_round_trip(git, repo / "model.pt")


def test_safetensors_come_back_with_their_metadata(repo: Path, git: Git) -> None:
    save_file(state_dict(), repo / "model.safetensors", metadata={"epoch": "3", "note": "a\nb"})
    check_round_trip(git, repo / "model.safetensors")
    assert "value __metadata__/epoch" in git("show", "HEAD:model.safetensors")


def test_a_checkpoint_in_a_compressed_zip_comes_back(repo: Path, git: Git) -> None:
    torch.save(state_dict(), repo / "stored.zip")
    with (
        zipfile.ZipFile(repo / "stored.zip") as stored,
        zipfile.ZipFile(repo / "model.pt", "w", zipfile.ZIP_DEFLATED) as z,
    ):
        for name in stored.namelist():
            z.writestr(name, stored.read(name))
    check_round_trip(git, repo / "model.pt")


@pytest.mark.parametrize(
    "content", [b"\0", b"theta", b"theta 1", b"PK\x03\x04", b"\x80\x02}", random.Random(0).randbytes(100_000)]
)
def test_any_other_bytes_come_back_too(repo: Path, git: Git, content: bytes) -> None:
    (repo / "model.pt").write_bytes(content)
    check_round_trip(git, repo / "model.pt")


def test_an_empty_file_is_stored_as_it_is_since_git_takes_it_for_changed_otherwise(repo: Path, git: Git) -> None:
    path = repo / "model.pt"
    path.write_bytes(b"")
    git("add", ".")
    git("commit", "--quiet", "--message=empty")
    assert git("show", "HEAD:model.pt") == ""
    path.unlink()
    git("checkout", "--", "model.pt")
    assert path.read_bytes() == b""
    os.utime(path, (1e9, 1e9))
    assert git("diff") == git("theta", "diff") == git("diff-index", "--name-only", "HEAD") == ""
    assert git("theta", "status") == "1 checkpoint unchanged\n"
    assert git("theta", "fsck") == "0 manifests checked, 0 findings\n"


def test_a_group_larger_than_a_chunk_comes_back(repo: Path, git: Git) -> None:
    torch.save({"embedding": torch.randn(1100, 4096), "rest": torch.ones(3)}, repo / "model.pt")
    check_round_trip(git, repo / "model.pt")


def test_equal_values_are_stored_once_whatever_name_file_or_format(repo: Path, git: Git) -> None:
    weight = torch.randn(300, 300)
    torch.save({"a": weight}, repo / "one.pt")
    git("add", "one.pt")
    objects = sorted((repo / ".git/theta/objects").rglob("*"))
    large = [path for path in objects if path.is_file() and path.stat().st_size > 200_000]
    torch.save({"b": weight.clone(), "c": weight.clone().reshape(90000)}, repo / "two.pt")
    save_file({"d": weight}, repo / "three.safetensors")
    git("add", "two.pt", "three.safetensors")
    objects = sorted((repo / ".git/theta/objects").rglob("*"))
    assert [path for path in objects if path.is_file() and path.stat().st_size > 200_000] == large
    assert len(large) == 1


def test_the_skeletons_of_two_versions_of_a_model_are_equal(repo: Path, git: Git) -> None:
    lines = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.save({"weight": torch.randn(64, 64), "bias": torch.randn(64)}, repo / "model.pt")
        git("add", "model.pt")
        manifest = git("show", ":model.pt")
        lines.append(next(line for line in manifest.splitlines() if line.startswith("skeleton ")))
    assert lines[0] == lines[1]


def test_one_ulp_on_one_weight_is_a_change(repo: Path, git: Git) -> None:
    weights = torch.ones(1000)
    torch.save({"weight": weights}, repo / "model.pt")
    git("add", "model.pt")
    git("commit", "--quiet", "--message=base")
    weights[500] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    torch.save({"weight": weights}, repo / "model.pt")
    git("commit", "--quiet", "--all", "--message=one ulp")
    git("checkout", "--quiet", "HEAD~1")
    git("checkout", "--quiet", "main")
    assert torch.equal(torch.load(repo / "model.pt")["weight"], weights)


def test_the_same_bytes_never_show_as_modified_even_when_the_clone_forgot_them(repo: Path, git: Git) -> None:
    torch.save(state_dict(), repo / "model.pt")
    git("add", "model.pt")
    git("commit", "--quiet", "--message=model")
    (repo / ".git/theta/known.sqlite").unlink()
    os.utime(repo / "model.pt")
    assert git("status", "--porcelain", "model.pt") == ""


def test_a_linked_worktree_shares_the_objects(repo: Path, git: Git, tmp_path: Path) -> None:
    torch.save(state_dict(), repo / "model.pt")
    git("add", "model.pt", ".gitattributes")
    git("commit", "--quiet", "--message=model")
    git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert (tmp_path / "linked/model.pt").read_bytes() == (repo / "model.pt").read_bytes()
    assert not (repo / ".git/worktrees/linked/theta").exists()
