"""The S3 protocol, against moto's server on loopback."""

from __future__ import annotations

from tests.servers import Bucket
from tests.servers import silent
from theta_store.objects import ObjectStore
from theta_store.remotes import ABSENT


def test_objects_go_to_a_bucket_and_come_back(bucket: Bucket, here: ObjectStore, there: ObjectStore) -> None:
    oids = {here.write(b"value %d" % number) for number in range(50)}
    remote = bucket.remote(here)
    assert remote.missing(oids) == oids
    assert remote.send(oids, silent) == {}
    assert remote.missing(oids) == set()
    gone = "0" * 64
    assert bucket.remote(there).fetch([*oids, gone], silent) == {gone: ABSENT}
    assert all(map(there.has, oids))
    assert remote.read_back([*oids, gone], silent) == {gone: ABSENT}
