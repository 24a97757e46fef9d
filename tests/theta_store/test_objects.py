from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore
from theta_store.objects import StoreNotWritable
from theta_store.objects import hash_of
from theta_store.objects import size_of


def test_an_id_is_the_sha256_and_the_length(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    oid = store.write(b"values")
    name = hashlib.sha256(b"values").hexdigest()
    assert oid == f"{name}:6"
    assert store.path(oid) == store.path(name) == tmp_path / name[:2] / name
    assert (hash_of(oid), size_of(oid), size_of(name)) == (name, 6, None)
    assert store.read(oid) == b"values"


def test_equal_bytes_are_stored_once(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    store.write(b"values")
    before = store.path(store.write(b"values")).stat()
    assert store.path(store.write(b"values")).stat() == before


def test_a_missing_object_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingObject, match="git theta fetch"):
        ObjectStore(tmp_path).read("ab" * 32)


def test_a_full_disk_leaves_no_partial_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreNotWritable, match="No space left"):
        ObjectStore(tmp_path).write(b"values")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_objects_are_borrowed_from_a_store_that_borrows_them(tmp_path: Path) -> None:
    stores = [ObjectStore(tmp_path / name / "theta" / "objects") for name in "abcd"]
    oid = stores[0].write(b"values")
    for store, lender in zip(stores[1:], stores, strict=False):
        (store.folder / "info").mkdir(parents=True)
        (store.folder / "info" / "alternates").write_text(f"{lender.folder}\n")
    (stores[0].folder / "info").mkdir()
    (stores[0].folder / "info" / "alternates").write_text(f"{stores[3].folder}\n")  # a circle ends, too
    assert stores[3].read(oid) == b"values"
    place = stores[0].aside / oid[:2] / hash_of(oid)
    place.parent.mkdir(parents=True)
    stores[0].own_path(oid).rename(place)
    assert ObjectStore(stores[3].folder).has(oid)
    assert not ObjectStore(stores[3].folder).has("ab" * 32)
