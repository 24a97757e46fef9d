"""Real servers on loopback, one of each for all tests of a worker: a git-lfs server (giftless), and S3 (moto)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from tests.proxy import Proxy
from theta_store.objects import ObjectStore
from theta_store.remotes.kvstore import KvStoreRemote

Git = Callable[..., str]

_SERVING = """
import sys
from werkzeug.serving import make_server
make_server("127.0.0.1", 0, {}, threaded=True, fd=int(sys.argv[1])).serve_forever()
"""
_GIFTLESS = "from giftless.app import init_app" + _SERVING.format("init_app()")
_MOTO = "from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app" + _SERVING.format(
    "DomainDispatcherApplication(create_backend_app)"
)
_ANYONE = """
AUTH_PROVIDERS: ["giftless.auth.allow_anon:read_write"]
"""
_numbers = count()


def silent(done: int, total: int) -> None:
    """Progress that no one looks at."""


@pytest.fixture(scope="session")
def giftless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a git-lfs server, and the folder in which it keeps what it was given, by organisation."""
    if not find_spec("giftless"):
        pytest.skip("giftless is not installed")
    folder = tmp_path_factory.mktemp("giftless")
    with _serving(_GIFTLESS, folder) as port:
        yield port, folder / "lfs-storage"


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server."""
    if not find_spec("moto") or not find_spec("flask"):
        pytest.skip("moto[server] is not installed")
    with _serving(_MOTO, tmp_path_factory.mktemp("moto")) as port:
        yield port


@pytest.fixture
def organisation() -> str:
    """A name under which no other test keeps anything."""
    return f"org{next(_numbers)}"


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of an S3 server."""

    name: str
    port: int
    """of the server"""

    def remote(self, objects: ObjectStore, proxy: Proxy | None = None) -> KvStoreRemote:
        """A remote in it for these objects, through a proxy if there is one."""
        endpoint = proxy.url if proxy else f"http://127.0.0.1:{self.port}"
        return KvStoreRemote(objects, "store", f"s3://{self.name}/models", endpoint)


@pytest.fixture
def bucket(moto: int, organisation: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of the test's own, and the environment to use it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{moto}/{organisation}", method="PUT")).close()
    return Bucket(organisation, moto)


@pytest.fixture
def server(giftless: tuple[int, Path], organisation: str, bare: Path, git: Git) -> Path:
    """Where a running server keeps the objects of every clone."""
    port, storage = giftless
    url = f"http://127.0.0.1:{port}/{organisation}/models"
    for key, value in (("lfs.url", url), ("lfs.transfer.maxretries", "1"), ("lfs.locksverify", "false")):
        git("config", "--global", key, value)
    return storage / organisation / "models"


@contextlib.contextmanager
def _serving(program: str, folder: Path) -> Iterator[int]:
    """The port on which a server listens from the start, so that no one else can take it; who asks early waits."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program, str(listening.fileno())],
            cwd=folder,
            env={**os.environ, "GIFTLESS_CONFIG_STR": _ANYONE},
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
        yield port
    finally:
        server.kill()
        server.wait()
