"""The S3 protocol, against moto's server on loopback."""

from __future__ import annotations

from pathlib import Path

from theta_store.objects import ObjectStore
from theta_store.remotes import ABSENT
from theta_store.remotes.kvstore import KvStoreRemote


def test_objects_go_to_a_bucket_and_come_back(moto: int, bucket: str, tmp_path: Path) -> None:
    here, there = ObjectStore(tmp_path / "here"), ObjectStore(tmp_path / "there")
    oids = {here.write(b"value %d" % number) for number in range(50)}
    remote = KvStoreRemote(here, "s", f"s3://{bucket}/a/b", f"http://127.0.0.1:{moto}")
    assert remote.missing(oids) == oids
    assert remote.send(oids, lambda done, total: None) == {}
    assert remote.missing(oids) == set()
    gone = "0" * 64
    fetched = KvStoreRemote(there, "s", f"s3://{bucket}/a/b", f"http://127.0.0.1:{moto}").fetch(
        [*oids, gone], lambda done, total: None
    )
    assert fetched == {gone: "the remote does not have it"}
    assert all(map(there.has, oids))
    assert remote.read_back([*oids, gone], lambda done, total: None) == {gone: ABSENT}
