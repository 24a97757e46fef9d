"""A git-lfs server over HTTP: giftless, on loopback, which gives out only what is asked for with its size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from theta_cli.main import run

Git = Callable[..., str]


def _stored(server: Path) -> set[str]:
    return {path.name for path in server.iterdir()}


def _objects(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".git/theta/objects").glob("??/*")}


def test_objects_go_up_and_come_down(server: Path, first: Path, clone: CloneOf, git: Git) -> None:
    assert _stored(server) == _objects(first)
    second = clone("second")
    assert (second / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    assert _objects(second) == _objects(first)


def test_the_server_is_asked_what_it_has(
    server: Path, first: Path, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (3.0, 4.0, 5.0):
        save(first / "m.safetensors", a=value)
        git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    before = _objects(first)
    assert run("gc", ["--prune-remote-verified"]) == 0
    assert _objects(first) < before
    lost = server / min(before - _objects(first))
    run("fetch", ["--all"])
    assert _objects(first) == before
    lost.unlink()
    capsys.readouterr()
    assert run("gc", ["--prune-remote-verified"]) == 0
    assert lost.name in _objects(first)
    assert f"    object {lost.name[:12]}: the remote does not have it\n" in capsys.readouterr().out


def test_what_a_neighbour_has_is_not_taken_for_what_the_server_has(
    server: Path, first: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git-lfs itself takes objects from the stores of repositories from which git borrows."""
    save(first / "m.safetensors", a=3.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    neighbour = first.parent / "neighbour"
    git("clone", "--quiet", "--bare", str(first), str(neighbour))
    for path in server.iterdir():
        place = neighbour / "lfs/objects" / path.name[:2] / path.name[2:4] / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    (first / ".git/objects/info/alternates").write_text(f"{neighbour / 'objects'}\n")
    before = _objects(first)
    run("gc", ["--prune-remote-verified"])
    assert _objects(first) == before


def test_a_server_that_the_repository_itself_names(server: Path, first: Path, clone: CloneOf, git: Git) -> None:
    url = git("config", "--global", "lfs.url").strip()
    git("config", "--global", "--unset", "lfs.url")
    git("config", "--file", ".lfsconfig", "lfs.url", url)
    save(first / "m.safetensors", a=3.0)
    git("add", ".")
    git("commit", "--quiet", "-m", "change")
    git("push", "--quiet", "origin", "main")
    assert _stored(server) == _objects(first)
    assert (clone("second") / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()


def test_a_push_of_values_that_only_the_server_has(server: Path, first: Path, git: Git, clone: CloneOf) -> None:
    os.environ["GIT_THETA_SKIP_SMUDGE"] = "1"
    second = clone("second")
    git("mv", "m.safetensors", "n.safetensors")
    text = (second / "n.safetensors").read_text()
    (second / "n.safetensors").write_text(text)
    git("commit", "--quiet", "-a", "-m", "renamed")
    git("push", "--quiet", "origin", "main")
    del os.environ["GIT_THETA_SKIP_SMUDGE"]
    assert failing("checkout", "--", ".").returncode == 0


def test_wrong_bytes_from_the_server_are_refused(server: Path, first: Path, clone: CloneOf) -> None:
    damaged = next(server.iterdir())
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    second = clone("second")
    assert damaged.name not in _objects(second)
    assert (second / "m.safetensors").read_bytes().startswith(b"theta 1\n")


def test_a_server_that_is_gone_stops_the_push_and_not_the_clone(
    server: Path, first: Path, clone: CloneOf, git: Git
) -> None:
    save(first / "m.safetensors", a=3.0)
    git("commit", "--quiet", "-a", "-m", "change")
    shutil.rmtree(server)
    git("config", "--global", "lfs.url", "http://127.0.0.1:9/our/models")
    assert failing("push", "origin", "main").returncode
    assert (clone("second") / "m.safetensors").read_bytes().startswith(b"theta 1\n")
