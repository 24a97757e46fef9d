"""gc deletes only what nothing needed twice, a grace period apart."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from theta_store.objects import ObjectStore
from theta_store.objects import hash_of
from theta_store.sweep import GRACE
from theta_store.sweep import sweep

NOW = time.time() + 2 * GRACE
LATER = NOW + 2 * GRACE


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "theta/objects")


def test_what_is_needed_stays(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"needed"))
    assert sweep(objects, {oid}, NOW).kept == {oid: 6}
    assert objects.own_path(oid).exists()


def test_what_is_young_stays(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"young"))
    assert list(sweep(objects, set(), time.time()).young) == [oid]
    assert list(sweep(objects, set(), time.time() - 10 * GRACE).young) == [oid]  # the clock went back
    assert objects.has(oid)


def test_what_nothing_needs_is_set_aside_and_can_still_be_read(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"lost"))
    assert list(sweep(objects, set(), NOW).set_aside) == [oid]
    assert not objects.own_path(oid).exists()
    assert objects.read(oid) == b"lost"


def test_it_is_put_back_when_it_is_needed_again(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"lost"))
    sweep(objects, set(), NOW)
    assert list(sweep(objects, {oid}, NOW).put_back) == [oid]
    assert objects.own_path(oid).read_bytes() == b"lost"


def test_it_is_deleted_after_another_grace_period(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"lost"))
    sweep(objects, set(), NOW)
    assert not sweep(objects, set(), time.time()).deleted
    assert list(sweep(objects, set(), LATER).deleted) == [oid]
    assert not objects.has(oid)


def test_without_grace_it_is_deleted_at_once(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"lost"))
    assert list(sweep(objects, set(), NOW, 0).deleted) == [oid]
    assert not objects.has(oid)


def test_a_dry_run_tells_the_same_and_changes_nothing(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"lost"))
    assert list(sweep(objects, set(), NOW, dry=True).set_aside) == [oid]
    assert objects.own_path(oid).exists()


def test_unfinished_files_of_killed_commands_go(objects: ObjectStore) -> None:
    oid = hash_of(objects.write(b"value"))
    partial = objects.own_path(oid).with_name(f"{oid}.12ab34cd.partial")
    partial.write_bytes(b"val")
    folder = objects.folder.parent / "tmp" / "commit.1"
    folder.mkdir(parents=True)
    (folder / "HEAD").touch()
    assert sweep(objects, {oid}, time.time()).leftovers == []
    assert set(sweep(objects, {oid}, NOW).leftovers) == {
        os.fspath(partial.relative_to(objects.folder.parent)), "tmp/commit.1/HEAD", "tmp/commit.1",
    }  # fmt: skip
    assert not partial.exists()
    assert not folder.exists()
