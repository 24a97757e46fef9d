"""The S3 protocol, against moto's server on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from theta_store.objects import ObjectStore
from theta_store.remotes.kvstore import KvStoreRemote

pytestmark = pytest.mark.skipif(not find_spec("moto") or not find_spec("flask"), reason="moto[server] is not installed")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with an empty bucket named models."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/models", method="PUT")).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


def test_objects_go_to_a_bucket_and_come_back(endpoint: str, tmp_path: Path) -> None:
    here, there = ObjectStore(tmp_path / "here"), ObjectStore(tmp_path / "there")
    oids = {here.write(b"value %d" % number) for number in range(50)}
    remote = KvStoreRemote(here, "s", "s3://models/a/b", endpoint)
    assert remote.missing(oids) == oids
    assert remote.send(oids, lambda done, total: None) == {}
    assert remote.missing(oids) == set()
    gone = "0" * 64
    fetched = KvStoreRemote(there, "s", "s3://models/a/b", endpoint).fetch([*oids, gone], lambda done, total: None)
    assert fetched == {gone: "the remote does not have it"}
    assert all(map(there.has, oids))
