"""git theta merge: what is wrong is told before git begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strategies.contract import MergeError
from tests.clones import save
from theta_cli.main import run

Git = Callable[..., str]


def _commit(git: Git, value: float) -> None:
    save(Path("m.safetensors"), a=value)
    git("add", ".")
    git("commit", "--quiet", "-m", f"{value}")


@pytest.fixture
def forked(repo: Path, git: Git) -> Path:
    """Two branches, main and side, that both changed a group."""
    _commit(git, 0.0)
    git("switch", "--quiet", "-c", "side")
    _commit(git, 1.0)
    git("switch", "--quiet", "main")
    _commit(git, 2.0)
    return repo


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--strategy", "tie"], "did you mean ties"),
        (["--strategy", "ties", "-X", "dens=0.5"], "has no option 'dens'"),
        (["--strategy", "ties", "-X", "density=7"], "takes a number in"),
    ],
)
def test_a_slip_of_the_pen_leaves_no_merge_behind(words: list[str], why: str, forked: Path, git: Git) -> None:
    with pytest.raises(MergeError, match=why):
        run("merge", [*words, "side"])
    assert git("status", "--porcelain") == ""
    assert not (forked / ".git/MERGE_HEAD").exists()
