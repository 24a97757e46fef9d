"""A git-lfs server over HTTP: giftless, on loopback, which gives out only what is asked for with its size."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from theta_cli.main import run

Git = Callable[..., str]

pytestmark = pytest.mark.skipif(not find_spec("giftless"), reason="giftless is not installed")

_SERVE = """
import sys
from werkzeug.serving import run_simple
from giftless.app import init_app
run_simple("127.0.0.1", int(sys.argv[1]), init_app(), threaded=True)
"""
_CONFIG = """
AUTH_PROVIDERS: ["giftless.auth.allow_anon:read_write"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """The folder of a running server, to which every clone sends its objects; its URL is in ``url``."""
    folder = tmp_path / "server"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GIFTLESS_CONFIG_STR": _CONFIG}
    command = [sys.executable, "-W", "ignore", "-c", _SERVE, str(port)]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{port}/")
        url = f"http://127.0.0.1:{port}/our/models"
        for key, value in (("lfs.url", url), ("lfs.transfer.maxretries", "1"), ("lfs.locksverify", "false")):
            subprocess.run(["git", "config", "--global", key, value], check=True)
        yield folder
    finally:
        process.kill()
        process.wait()


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)


def _stored(server: Path) -> set[str]:
    return {path.name for path in (server / "lfs-storage").glob("*/*/*") if path.is_file()}


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
    save(first / "m.safetensors", a=3.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    before = _objects(first)
    lost = next(path for path in (server / "lfs-storage").glob("*/*/*") if path.is_file())
    run("gc", ["--prune-remote-verified"])
    assert _objects(first) < before
    run("fetch", ["--all"])
    assert _objects(first) == before
    lost.unlink()
    run("gc", ["--prune-remote-verified"])
    assert lost.name in _objects(first)


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
    damaged = next(path for path in (server / "lfs-storage").glob("*/*/*") if path.is_file())
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
    shutil.rmtree(server / "lfs-storage")
    git("config", "--global", "lfs.url", "http://127.0.0.1:9/our/models")
    assert failing("push", "origin", "main").returncode
    assert (clone("second") / "m.safetensors").read_bytes().startswith(b"theta 1\n")
