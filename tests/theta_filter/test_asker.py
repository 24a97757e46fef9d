"""`git diff` does not pay for restoring checkpoints; everybody else gets the checkpoint itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from tests.conftest import Begun
from tests.conftest import Git
from theta_filter.asker import subcommand


@pytest.fixture
def two_versions(repo: Path, begun: Begun, git: Git) -> Path:
    begun("two pickles", lambda: commit(git))
    return repo


def commit(git: Git) -> None:
    for value in (1.0, 2.0):
        torch.save({"weight": torch.full((64, 64), value)}, "model.pt")
        git("add", "model.pt", ".gitattributes")
        git("commit", "--quiet", f"--message=version {value}")


@pytest.fixture
def seen(two_versions: Path, git: Git) -> Path:
    """The file in which a diff driver notes the first bytes of what it is handed."""
    notes = two_versions / "seen"
    driver = two_versions / "theta_diff.sh"
    driver.write_text(f'#!/bin/sh\nhead -c 7 "$2" >> {notes}\necho >> {notes}\n')
    driver.chmod(0o755)
    git("config", "diff.theta.command", str(driver))
    return notes


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", "HEAD~1", "HEAD"],
        ["-c", "core.pager=cat", "--no-pager", "diff", "HEAD~1", "HEAD"],
        ["log", "-p", "-1", "--ext-diff"],
        ["show", "--ext-diff"],
        ["d", "HEAD~1", "HEAD"],
    ],
)
def test_our_diff_driver_is_handed_manifests(seen: Path, git: Git, arguments: list[str]) -> None:
    git("config", "alias.d", "diff --stat -p")
    git(*arguments)
    assert seen.read_text() == "theta 1\n"


def test_another_diff_program_is_handed_checkpoints(seen: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(seen.with_name("theta_diff.sh")))
    git("diff", "HEAD~1", "HEAD", "--", "model.pt")
    assert seen.read_bytes().startswith(b"PK")


def test_another_driver_is_handed_checkpoints(seen: Path, git: Git) -> None:
    git("config", "diff.other.command", str(seen.with_name("theta_diff.sh")))
    Path(".gitattributes").write_text("*.pt filter=theta diff=other\n")
    git("diff", "HEAD~1", "HEAD", "--", "model.pt")
    assert seen.read_bytes().startswith(b"PK")


@pytest.mark.parametrize(("mode", "start"), [("never", b"PK"), ("always", b"theta 1")])
def test_lazy_diff_can_be_set(seen: Path, git: Git, mode: str, start: bytes) -> None:
    git("config", "theta.lazyDiff", mode)
    git("diff", "HEAD~1", "HEAD")
    assert seen.read_bytes().startswith(start)


def test_files_asked_for_without_a_commit_are_checkpoints(two_versions: Path, git: Git) -> None:
    git("checkout-index", "--prefix=copy/", "model.pt")
    assert (two_versions / "copy/model.pt").read_bytes() == (two_versions / "model.pt").read_bytes()
    filtered = subprocess.run(["git", "cat-file", "--filters", "HEAD:model.pt"], capture_output=True, check=True)
    assert filtered.stdout == (two_versions / "model.pt").read_bytes()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("git diff HEAD", "diff"),
        ("/usr/bin/git -C /x -c a.b=c --no-pager log -p", "log"),
        ("git --git-dir /x status", "status"),
        ("git --exec-path=/x checkout", "checkout"),
        ("git", None),
    ],
)
def test_the_subcommand_is_found_behind_the_options(line: str, found: str | None) -> None:
    assert subcommand(line.split()) == found
