"""Clean and smudge as commands of their own, for git implementations without the filter process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _oneshot(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-E", "-P", "-m", "theta_filter.oneshot", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


@pytest.mark.parametrize("content", [b"", b"bytes", b"\0" * 100_000])
def test_smudge_undoes_clean(repo: Path, content: bytes) -> None:
    manifest = _oneshot("clean", "x.pt", stdin=content)
    assert manifest.returncode == 0
    assert manifest.stdout.startswith(b"theta 1\n") == bool(content)
    assert _oneshot("smudge", "x.pt", stdin=manifest.stdout).stdout == content


def test_what_is_no_manifest_passes_with_a_warning(repo: Path) -> None:
    done = _oneshot("smudge", "x.pt", stdin=b"raw bytes")
    assert (done.returncode, done.stdout) == (0, b"raw bytes")
    assert b"theta: x.pt: not a manifest" in done.stderr


def test_a_damaged_object_is_a_failure_and_not_other_bytes(repo: Path) -> None:
    manifest = _oneshot("clean", "x.pt", stdin=b"bytes" * 1000).stdout
    for file in (repo / ".git/theta/objects").glob("*/*"):
        file.chmod(0o644)
        file.write_bytes(b"damage")
    done = _oneshot("smudge", "x.pt", stdin=manifest)
    assert done.returncode == 1
    assert done.stderr.startswith(b"theta: x.pt: ")
    assert b"Traceback" not in done.stderr


def test_missing_objects_leave_the_manifest(repo: Path) -> None:
    manifest = _oneshot("clean", "x.pt", stdin=b"bytes").stdout
    shutil.rmtree(repo / ".git/theta")
    assert _oneshot("smudge", "x.pt", stdin=manifest).stdout == manifest


@pytest.mark.parametrize("arguments", [[], ["clean"], ["wash", "x.pt"]])
def test_wrong_usage_says_who_runs_this(repo: Path, arguments: list[str]) -> None:
    done = _oneshot(*arguments)
    assert done.returncode == 2
    assert b"git itself runs this" in done.stderr
