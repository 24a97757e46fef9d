from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from theta_store.objects import MissingObject
from theta_store.objects import ObjectStore
from theta_store.objects import StoreNotWritable


def test_an_object_is_named_by_its_sha256(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    oid = store.write(b"values")
    assert oid == hashlib.sha256(b"values").hexdigest()
    assert store.path(oid) == tmp_path / oid[:2] / oid
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
