"""What someone who trains models does, from the first command to a merge and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Git = Callable[..., str]


def _train(path: Path, **values: float) -> None:
    state = {"encoder.weight": 1.0, "decoder.weight": 1.0, "head.weight": 1.0, **values}
    torch.save({name: torch.full((4, 4), value) for name, value in state.items()}, path)


def _state(path: Path) -> dict[str, float]:
    return {name: tensor.mean().item() for name, tensor in torch.load(path).items()}


@pytest.fixture
def model(empty_repo: Path, git: Git) -> Path:
    """``model.pt``, tracked and committed on main; ``feature-branch`` and main both trained it further."""
    path = empty_repo / "model.pt"
    _train(path)
    git("theta", "track", "model.pt")
    git("add", ".gitattributes", "model.pt")
    git("commit", "--quiet", "-m", "base")
    git("switch", "--quiet", "-c", "feature-branch")
    _train(path, **{"decoder.weight": 2.0, "head.weight": 3.0})
    git("commit", "--quiet", "-a", "-m", "feature")
    git("switch", "--quiet", "main")
    _train(path, **{"encoder.weight": 5.0, "head.weight": 2.0})
    git("commit", "--quiet", "-a", "-m", "main")
    return path


def test_diff_names_the_groups(model: Path, git: Git) -> None:
    text = git("diff", "HEAD~1", "HEAD")
    assert "encoder.weight" in text
    assert "head.weight" in text
    assert "decoder.weight" not in text
    assert "2 groups modified, 1 unchanged" in text


def test_log_reads_well_with_no_driver_at_all(model: Path, git: Git) -> None:
    changed = [line.split()[1] for line in git("log", "-p", "-1").splitlines() if line.startswith("+group ")]
    assert changed == ["encoder.weight", "head.weight"]


def test_merge_takes_what_one_side_changed_and_averages_what_both_did(model: Path, git: Git) -> None:
    git("merge", "--quiet", "--no-edit", "--strategy", "average", "feature-branch")
    assert _state(model) == {"encoder.weight": 5.0, "decoder.weight": 2.0, "head.weight": 2.5}
    assert git("status", "--porcelain") == ""


def test_every_version_comes_back_byte_for_byte(model: Path, git: Git, tmp_path: Path) -> None:
    latest = model.read_bytes()
    _train(tmp_path / "model.pt")
    git("checkout", "main~1", "--", "model.pt")
    assert model.read_bytes() == (tmp_path / "model.pt").read_bytes()
    git("checkout", "main", "--", "model.pt")
    assert model.read_bytes() == latest


def test_the_repository_is_sound_afterwards(model: Path, git: Git) -> None:
    git("merge", "--quiet", "--no-edit", "--strategy", "average", "feature-branch")
    assert git("theta", "fsck") == "4 manifests checked, 0 findings\n"
    assert git("theta", "status") == "1 checkpoint unchanged\n"
