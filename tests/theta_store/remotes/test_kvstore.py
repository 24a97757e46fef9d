"""Object storage: a folder here stands for a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import silent
from theta_store.objects import ObjectStore
from theta_store.objects import hash_of
from theta_store.remotes import ABSENT
from theta_store.remotes import NOT_IT
from theta_store.remotes import OURS
from theta_store.remotes.kvstore import BadUrl
from theta_store.remotes.kvstore import KvStoreRemote
from theta_store.remotes.kvstore import check_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def remote(objects: ObjectStore, folder: Path) -> KvStoreRemote:
    return KvStoreRemote(objects, "store", folder.as_uri())


def test_objects_go_there_and_come_back(here: ObjectStore, folder: Path, there: ObjectStore) -> None:
    oids = {here.write(b"value %d" % number) for number in range(100)}
    assert remote(here, folder).missing(oids) == oids
    assert remote(here, folder).send(oids, silent) == {}
    assert remote(here, folder).missing(oids) == set()
    assert remote(there, folder).fetch(oids, silent) == {}
    assert {there.write(there.read(oid)) for oid in oids} == oids


def test_only_what_lacks_is_sent(here: ObjectStore, folder: Path) -> None:
    old = here.write(b"old")
    remote(here, folder).send([old], silent)
    before = (folder / old[:2] / hash_of(old)).stat()
    counts: list[tuple[int, int]] = []
    remote(here, folder).send([old, here.write(b"new")], lambda done, total: counts.append((done, total)))
    assert (folder / old[:2] / hash_of(old)).stat() == before
    assert counts == [(2, 2)]


def test_wrong_bytes_are_refused(here: ObjectStore, folder: Path, there: ObjectStore) -> None:
    oid = here.write(b"value")
    remote(here, folder).send([oid], silent)
    (folder / oid[:2] / hash_of(oid)).write_bytes(b"volue")
    assert remote(there, folder).fetch([oid], silent) == {oid: "what arrived is not what was asked for"}
    assert not there.has(oid)


def test_what_is_nowhere_is_a_failure_of_that_object_alone(here: ObjectStore, folder: Path, there: ObjectStore) -> None:
    oid, gone = here.write(b"value"), "0" * 64
    assert list(remote(here, folder).send([oid, gone], silent)) == [gone]
    assert remote(there, folder).fetch([oid, gone], silent) == {gone: "the remote does not have it"}
    assert there.has(oid)


def test_a_place_that_cannot_be_written_to_is_told(here: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    oid = here.write(b"value")
    assert oid in remote(here, tmp_path / "file").send([oid], silent)


@pytest.mark.parametrize("url", ["https://example.com/x", "/tmp/x", "s3://", "s3:///x", "gs://bucket?x=1"])
def test_places_that_are_no_object_storage(url: str) -> None:
    with pytest.raises(BadUrl, match="is not a place for objects"):
        check_url(url)


def test_only_what_lies_there_whole_comes_back(here: ObjectStore, folder: Path) -> None:
    oids = [here.write(b"value %d" % number) for number in range(4)]
    remote(here, folder).send(oids, silent)
    _, flipped, cut, gone = oids
    places = {oid: folder / oid[:2] / hash_of(oid) for oid in oids}
    places[flipped].write_bytes(b"volue 1")
    places[cut].write_bytes(b"value")
    places[gone].unlink()
    failures = remote(here, folder).read_back(oids, silent)
    assert failures.keys() == {flipped, cut, gone}
    assert (failures[flipped], failures[gone]) == (NOT_IT, ABSENT)


def test_what_is_here_is_no_copy_of_itself(here: ObjectStore) -> None:
    oid = here.write(b"value")
    assert KvStoreRemote(here, "store", here.folder.as_uri()).read_back([oid], silent) == {oid: OURS}


def test_what_is_damaged_here_is_not_sent(here: ObjectStore, folder: Path) -> None:
    oid = here.write(b"value")
    here.path(oid).chmod(0o644)
    here.path(oid).write_bytes(b"volue")
    assert "is damaged here" in remote(here, folder).send([oid], silent)[oid]
    assert remote(here, folder).missing([oid]) == {oid}
