"""Killed at any moment, a repository is as before or as after: fsck finds nothing, and the command succeeds again."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.clones import CloneOf
from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import first as first
from tests.conftest import Begun
from tests.killing import killed
from theta_cli.main import run

Git = Callable[..., str]

MOMENTS = 25
"""for each of two seeds: 50 in all; of the commands that are tested in two ways, half of them for each"""
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("seed", range(2))]


def _saved(seed: int, more: float = 0.0) -> bytes:
    """A checkpoint of twelve groups, some of which share an object, written to ``m.safetensors``."""
    generator = np.random.default_rng(seed)
    shapes = [(96, 96)] * 6 + [(16,)] * 6
    groups = {
        f"layer.{number}": generator.standard_normal(shape, np.float32) + np.float32(more)
        for number, shape in enumerate(shapes)
    }
    save_file(groups, "m.safetensors")
    return Path("m.safetensors").read_bytes()


def _killed_again_and_again(
    seed: int, command: list[str], prepare: Callable[[int], object], *allowed: str, times: int = MOMENTS
) -> None:
    """Kill the command at random moments; each time nothing is found but what is ``allowed``. Then let it finish."""
    prepare(0)
    begun = time.monotonic()
    _succeeds(command)
    whole = time.monotonic() - begun
    moments = random.Random(seed)
    for number in range(1, times + 1):
        prepare(number)
        killed(command, moments.uniform(0, whole), Path(".git"), Path("../bare.git"))
        assert set(_findings()) <= set(allowed)
    _succeeds(command)
    assert set(_findings()) <= set(allowed)


def _succeeds(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _findings() -> list[str]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run("fsck", ["--json"])
    return [finding["kind"] for finding in json.loads(printed.getvalue())["findings"]]


def _checked_out(git: Git) -> bytes:
    Path("m.safetensors").unlink()
    git("checkout", "--quiet", "HEAD", "--", "m.safetensors")
    return Path("m.safetensors").read_bytes()


@pytest.fixture
def committed(repo: Path, begun: Begun, git: Git) -> Path:
    """A repository with one commit of a checkpoint."""
    begun("twelve groups", lambda: _commit(git))
    return repo


def _commit(git: Git) -> None:
    _saved(99)
    git("add", ".")
    git("commit", "--quiet", "-m", "first")


def test_add(committed: Path, git: Git, seed: int) -> None:
    _killed_again_and_again(seed, ["git", "add", "m.safetensors"], _saved)
    content = Path("m.safetensors").read_bytes()
    git("commit", "--quiet", "-m", "second")
    assert _checked_out(git) == content


def test_checkout(committed: Path, git: Git, seed: int) -> None:
    content = _saved(1)
    git("commit", "--quiet", "-a", "-m", "second")
    back = ["git", "checkout", "--quiet", "--force", "main~"]
    _killed_again_and_again(seed, back, lambda number: git("checkout", "--quiet", "--force", "main"))
    git("checkout", "--quiet", "main")
    assert Path("m.safetensors").read_bytes() == content


def test_checkout_that_fetches(first: Path, git: Git, seed: int) -> None:
    content = _saved(1)
    git("commit", "--quiet", "-a", "-m", "second")
    git("push", "--quiet", "origin", "main")
    nothing = git("commit-tree", "-m", "nothing", git("mktree", stdin="").strip()).strip()

    def forget(number: int) -> None:
        git("checkout", "--quiet", "--force", nothing)
        shutil.rmtree(".git/theta/objects", ignore_errors=True)

    _killed_again_and_again(seed, ["git", "checkout", "--quiet", "--force", "main"], forget, "missing")
    git("theta", "fetch", "--all")
    assert _checked_out(git) == content


def test_push(first: Path, clone: CloneOf, git: Git, seed: int) -> None:
    def commit(number: int) -> None:
        _saved(number)
        git("commit", "--quiet", "-a", "-m", f"number {number}")

    _killed_again_and_again(seed, ["git", "push", "--quiet", "origin", "main"], commit)
    clone("second", "--no-checkout")
    git("theta", "fetch", "--all")
    shutil.rmtree(first.parent / "bare.git")
    for number in range(MOMENTS):
        content = _saved(MOMENTS - number)
        git("checkout", "--quiet", "--force", f"origin/main~{number}")
        assert Path("m.safetensors").read_bytes() == content


def test_fetch(first: Path, git: Git, seed: int) -> None:
    content = _saved(1)
    git("commit", "--quiet", "-a", "-m", "large")
    git("push", "--quiet", "origin", "main")

    def forget(number: int) -> None:
        shutil.rmtree(".git/theta/objects", ignore_errors=True)

    _killed_again_and_again(seed, ["git", "theta", "fetch", "--all"], forget, "missing")
    assert _findings() == []
    assert _checked_out(git) == content


def test_gc(committed: Path, git: Git, seed: int) -> None:
    content = Path("m.safetensors").read_bytes()
    _saved(seed)
    git("add", "m.safetensors")
    git("reset", "--quiet", "--hard")
    git("prune", "--expire=now")
    objects, kept = Path(".git/theta/objects"), committed.parent / "kept"
    shutil.copytree(objects, kept)

    def drop(number: int) -> None:
        shutil.rmtree(objects)
        shutil.copytree(kept, objects)

    _killed_again_and_again(seed, ["git", "theta", "gc", "--grace", "0"], drop)
    assert _checked_out(git) == content


def test_repack(committed: Path, git: Git, seed: int) -> None:
    versions = []
    for number in range(4):
        versions.append(_saved(number % 2 + 10 * number))
        git("commit", "--quiet", "-a", "-m", f"number {number}")
    _killed_again_and_again(seed, ["git", "theta", "repack"], lambda number: None)
    for number, content in enumerate(reversed(versions)):
        git("checkout", "--quiet", f"main~{number}")
        assert Path("m.safetensors").read_bytes() == content


def test_repack_everything(committed: Path, git: Git, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = []
    for number in range(3):
        git("rm", "--quiet", "--cached", "m.safetensors")
        git("commit", "--quiet", "-m", "away")
        Path(".git/theta/known.sqlite").unlink()
        versions.append(_saved(0, number / 1000))
        git("add", ".")
        git("commit", "--quiet", "-m", f"number {number}")

    def copy(number: int) -> None:
        if number:
            _succeeds(["git", "theta", "repack", "--everything"])
            assert len(git("for-each-ref", "refs/original").splitlines()) == 1
            assert git("status", "--porcelain") == ""
            for age, content in enumerate(reversed(versions)):
                git("checkout", "--quiet", f"main~{2 * age}")
                assert Path("m.safetensors").read_bytes() == content
        shutil.copytree(committed, f"{committed}.{number}")
        monkeypatch.chdir(f"{committed}.{number}")

    _killed_again_and_again(seed, ["git", "theta", "repack", "--everything"], copy, times=MOMENTS // 2 + 1)


@pytest.mark.parametrize("scope", ["--everything", "HEAD"])
def test_migrate(empty_repo: Path, git: Git, seed: int, scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        _saved(number)
        git("add", ".")
        git("commit", "--quiet", "-m", f"number {number}")
    content = Path("m.safetensors").read_bytes()
    command = ["git", "theta", "migrate", *(["--everything"] if scope == "--everything" else []), "*.safetensors"]

    def copy(number: int) -> None:
        if number > 1:
            _succeeds(command)
            assert git("show", "HEAD:m.safetensors").startswith("theta 1\n")
            assert _checked_out(git) == content
            assert git("status", "--porcelain") == ""
        shutil.copytree(empty_repo, f"{empty_repo}.{number}")
        monkeypatch.chdir(f"{empty_repo}.{number}")

    _killed_again_and_again(seed, command, copy, times=MOMENTS // 2 + 1)
