"""Servers that refuse, cut short or lie: the reason is told, nothing wrong is kept, and a retry succeeds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from tests.proxy import Proxy
from tests.proxy import cut
from tests.proxy import proxy_before
from tests.proxy import saying
from tests.proxy import truncated
from tests.proxy import wrong
from tests.servers import Bucket
from tests.servers import silent
from theta_cli.main import run
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import RemoteFailed
from theta_store.remotes import kvstore
from theta_store.remotes import lfs
from theta_store.remotes import lfs_batch
from theta_store.remotes.lfs import LfsRemote

Git = Callable[..., str]

REFUSALS = {
    "401": saying(401, WWW_Authenticate='Basic realm="models"'),
    "403": saying(403),
    "404": saying(404),
    "429": saying(429, Retry_After="1"),
    "500": saying(500),
    "503": saying(503),
}
LIES = {"truncated": truncated, "cut": cut, "wrong": wrong}


@pytest.fixture
def oids(here: ObjectStore) -> list[str]:
    return [here.write(b"value %d" % number * 50) for number in range(5)]


@pytest.fixture
def lfs_proxy(giftless: tuple[int, Path], organisation: str, empty_repo: Path, git: Git) -> Iterator[Proxy]:
    """What lies between us and the git-lfs server, for the git remote ``origin`` and for everyone's clones."""
    with proxy_before(giftless[0]) as proxy:
        git("remote", "add", "origin", "https://example.com/models")
        _use(git, proxy, organisation)
        yield proxy


def _use(git: Git, proxy: Proxy, organisation: str) -> None:
    url = f"{proxy.url}/{organisation}/models"
    for key, value in (("lfs.url", url), ("lfs.transfer.maxretries", "1"), ("lfs.locksverify", "false")):
        git("config", "--global", key, value)


@contextlib.contextmanager
def _password(git: Git) -> Iterator[None]:
    """While open, whoever asks for a password gets one: git-lfs asks for it ever after it was refused once."""
    git("config", "--global", "credential.helper", "!f() { echo username=u; echo password=p; }; f")
    yield
    git("config", "--global", "--unset", "credential.helper")


def _all_sound(objects: ObjectStore, oids: list[str]) -> bool:
    return all(objects.sound(oid) for oid in oids if objects.has(oid))


@pytest.mark.parametrize("status", REFUSALS)
def test_a_git_lfs_server_that_refuses_to_talk(
    lfs_proxy: Proxy, here: ObjectStore, there: ObjectStore, oids: list[str], git: Git, status: str
) -> None:
    lfs_proxy.spoil(REFUSALS[status], "POST .*batch")
    failed = LfsRemote(Repository(), here, "origin").send(oids, silent)
    assert failed.keys() == set(oids)
    assert all(f"HTTP Error {status}" in why for why in failed.values())
    lfs_proxy.behave()
    with _password(git):
        assert LfsRemote(Repository(), here, "origin").send(oids, silent) == {}
    lfs_proxy.spoil(REFUSALS[status], "POST .*batch")
    failed = LfsRemote(Repository(), there, "origin").fetch(oids, silent)
    assert failed.keys() == set(oids)
    assert all(f"HTTP Error {status}" in why for why in failed.values())
    lfs_proxy.behave()
    with _password(git):
        assert LfsRemote(Repository(), there, "origin").fetch(oids, silent) == {}
    assert all(there.sound(oid) for oid in oids)


@pytest.mark.parametrize("fault", ["403", "404", "429", "500", "503", *LIES])
def test_a_git_lfs_server_that_talks_and_does_not_deliver(
    lfs_proxy: Proxy, here: ObjectStore, there: ObjectStore, oids: list[str], fault: str
) -> None:
    spoilt = REFUSALS.get(fault) or LIES[fault]
    if fault in REFUSALS:
        lfs_proxy.spoil(spoilt, "PUT ")
        failed = LfsRemote(Repository(), here, "origin").send(oids, silent)
        assert failed.keys() == set(oids)
        assert all(failed.values())
        lfs_proxy.behave()
    assert LfsRemote(Repository(), here, "origin").send(oids, silent) == {}
    lfs_proxy.spoil(spoilt, "GET ", times=8)
    failed = LfsRemote(Repository(), there, "origin").fetch(oids, silent)
    assert failed
    assert {oid for oid in oids if there.has(oid)} == set(oids) - failed.keys()
    assert _all_sound(there, oids)
    lfs_proxy.behave()
    assert LfsRemote(Repository(), there, "origin").fetch(failed, silent) == {}
    assert all(there.sound(oid) for oid in oids)


def test_a_server_that_is_busy_for_a_moment_is_waited_for(lfs_proxy: Proxy, here: ObjectStore, oids: list[str]) -> None:
    lfs_proxy.spoil(REFUSALS["429"], "PUT ", times=1)
    assert LfsRemote(Repository(), here, "origin").send(oids, silent) == {}


def test_a_server_that_keeps_git_lfs_busy_for_ever_is_given_up(
    lfs_proxy: Proxy, here: ObjectStore, there: ObjectStore, oids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LfsRemote(Repository(), here, "origin").send(oids, silent) == {}
    lfs_proxy.spoil(saying(401), "GET ")
    with monkeypatch.context() as hasty:
        hasty.setattr(lfs, "_PATIENCE", 2)
        assert LfsRemote(Repository(), there, "origin").fetch(oids, silent).keys() == set(oids)
    lfs_proxy.behave()
    assert LfsRemote(Repository(), there, "origin").fetch(oids, silent) == {}


def test_an_answer_of_any_size_depth_or_kind_is_a_failure_of_the_remote(
    lfs_proxy: Proxy, here: ObjectStore, oids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = LfsRemote(Repository(), here, "origin")
    answers = [
        b"",
        b"[]",
        b"7",
        b'{"objects": [7]}',
        b'{"objects": {}}',
        b"[" * 100_000,
        b'"' + b"a" * 5_000_000 + b'"',
    ]
    for body in answers:
        lfs_proxy.spoil(saying(200, body), "POST .*batch")
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1"):
            remote.missing(oids)
    lfs_proxy.spoil(saying(307, Location="http://127.0.0.1:9/elsewhere"), "POST .*batch")
    with pytest.raises(RemoteFailed, match="HTTP Error 307"):
        remote.missing(oids)
    monkeypatch.setattr(lfs_batch, "_MAX_ANSWER", 10)
    lfs_proxy.behave()
    with pytest.raises(RemoteFailed):
        remote.missing(oids)


@pytest.fixture
def bucket_proxy(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What lies between us and an S3 server; there is little patience with it."""
    monkeypatch.setattr(kvstore, "_PATIENCE", {"max_retries": 2, "initial_delay": "10ms", "max_delay": "20ms"})
    with proxy_before(bucket.port) as proxy:
        yield proxy


@pytest.mark.parametrize("status", ["401", "403", "429", "500", "503"])
def test_object_storage_that_refuses(
    bucket_proxy: Proxy, bucket: Bucket, here: ObjectStore, there: ObjectStore, oids: list[str], status: str
) -> None:
    bucket_proxy.spoil(REFUSALS[status], "(GET|HEAD) /[^/]*/models")
    with pytest.raises(RemoteFailed, match=rf"store \(s3://{bucket.name}/models\): .*{status}"):
        bucket.remote(here, bucket_proxy).send(oids, silent)
    bucket_proxy.spoil(REFUSALS[status], "PUT ")
    failed = bucket.remote(here, bucket_proxy).send(oids, silent)
    assert failed.keys() == set(oids)
    assert all(status in why for why in failed.values())
    bucket_proxy.behave()
    assert bucket.remote(here, bucket_proxy).send(oids, silent) == {}
    bucket_proxy.spoil(REFUSALS[status], "GET ")
    failed = bucket.remote(there, bucket_proxy).fetch(oids, silent)
    assert failed.keys() == set(oids)
    assert all(status in why for why in failed.values())
    bucket_proxy.behave()
    assert bucket.remote(there, bucket_proxy).fetch(oids, silent) == {}
    assert all(there.sound(oid) for oid in oids)


@pytest.mark.parametrize("lie", LIES)
def test_object_storage_that_lies(
    bucket_proxy: Proxy, bucket: Bucket, here: ObjectStore, there: ObjectStore, oids: list[str], lie: str
) -> None:
    assert bucket.remote(here, bucket_proxy).send(oids, silent) == {}
    bucket_proxy.spoil(LIES[lie], "GET ")
    failed = bucket.remote(there, bucket_proxy).fetch(oids, silent)
    assert failed.keys() == set(oids)
    assert not any(map(there.has, oids))
    assert bucket.remote(here, bucket_proxy).read_back(oids, silent).keys() == set(oids)
    bucket_proxy.behave()
    assert bucket.remote(here, bucket_proxy).read_back(oids, silent) == {}
    assert bucket.remote(there, bucket_proxy).fetch(oids, silent) == {}
    assert all(there.sound(oid) for oid in oids)


@pytest.fixture
def shared(giftless: tuple[int, Path], organisation: str, bare: Path, git: Git) -> Iterator[Proxy]:
    """The same, between everyone who clones ``bare`` and the server."""
    with proxy_before(giftless[0]) as proxy:
        _use(git, proxy, organisation)
        yield proxy


@pytest.mark.parametrize("fault", ["401", "429", "500", "truncated", "wrong"])
def test_push_and_clone_say_where_what_and_what_next(
    shared: Proxy, first: Path, clone: CloneOf, git: Git, fault: str
) -> None:
    content = save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "change")
    if fault in REFUSALS:
        shared.spoil(REFUSALS[fault], "batch")
        done = failing("push", "origin", "main")
        assert done.returncode
        for words in (
            "not sent to origin (git-lfs)",
            "restore m.safetensors: the values of group a",
            "    object ",
            "type: git theta push",
        ):
            assert words in done.stderr
    shared.behave()
    with _password(git):
        git("push", "--quiet", "origin", "main")
    spoilt = REFUSALS.get(fault) or LIES[fault]
    shared.spoil(spoilt, "batch" if fault in REFUSALS else "GET ")
    second = clone("second")
    assert (second / "m.safetensors").read_bytes().startswith(b"theta 1\n")
    done = failing("theta", "pull")
    assert done.returncode == 1
    for words in (
        "m.safetensors: not here: the values of group ",
        "    object ",
        ": origin (git-lfs): ",
        "git theta pull",
    ):
        assert words in done.stderr
    shared.behave()
    with _password(git):
        git("theta", "pull")
    assert (second / "m.safetensors").read_bytes() == content
    assert "0 findings" in git("theta", "fsck")
    assert os.listdir(second / ".git/theta/tmp") == []


@pytest.mark.parametrize("lie", LIES)
def test_gc_keeps_here_what_a_lying_server_does_not_give_back(
    shared: Proxy, first: Path, git: Git, capsys: pytest.CaptureFixture[str], lie: str
) -> None:
    save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    objects = ObjectStore(first / ".git/theta/objects")
    before = sorted(objects.folder.glob("??/*"))
    shared.spoil(LIES[lie], "GET ")
    assert run("gc", ["--prune-remote-verified"]) == 1
    assert "kept, since origin (git-lfs) did not give them back:\n    object " in capsys.readouterr().out
    assert sorted(objects.folder.glob("??/*")) == before
    shared.behave()
    assert run("gc", ["--prune-remote-verified", "--dry-run"]) == 0
    assert "would be deleted here; origin (git-lfs) gave them back" in capsys.readouterr().out
    assert sorted(objects.folder.glob("??/*")) == before
    assert run("gc", ["--prune-remote-verified"]) == 0
    assert sorted(objects.folder.glob("??/*")) < before
    git("checkout", "--quiet", "HEAD~")
    assert (first / "m.safetensors").read_bytes() == save(first / "expected.safetensors")
