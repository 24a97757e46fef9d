from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy
import pytest
import torch

from theta_checkpoint.formats import layout_of
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_store import bundle
from theta_store import chunks
from theta_store.capture import captured
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.reading import FileChanged
from theta_store.restore import restored
from theta_store.store import Store
from theta_store.values import array
from theta_store.values import slices


def stored(data: bytes, folder: Path) -> tuple[Manifest, Store]:
    source = BytesSource(data)
    store = Store.at(folder)
    return captured(source, identified(source), store), store


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def with_checksums_before_the_data(data: bytes) -> bytes:
    """The same archive as Python's zipfile writes it: CRC-32 in the local header, no data descriptor."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return buffer.getvalue()


@pytest.mark.parametrize("rewrite", [bytes, with_checksums_before_the_data], ids=["torch", "zipfile"])
def test_checksums_that_match_are_left_out_of_the_skeleton(tmp_path: Path, rewrite: object) -> None:
    assert callable(rewrite)
    versions = [rewrite(saved({"weight": torch.full((100,), value)})) for value in (1.0, 2.0)]
    manifests = [stored(data, tmp_path)[0] for data in versions]
    assert manifests[0].skeleton == manifests[1].skeleton
    for data, manifest in zip(versions, manifests, strict=True):
        assert b"".join(restored(StoredCheckpoint(manifest, Store.at(tmp_path).objects))) == data


def test_a_checksum_that_does_not_match_comes_back_as_it_was(tmp_path: Path) -> None:
    data = bytearray(saved({"weight": torch.ones(100)}))
    position = layout_of(BytesSource(bytes(data))).checksums[0].position
    data[position] ^= 1
    manifest, store = stored(bytes(data), tmp_path)
    assert b"".join(restored(StoredCheckpoint(manifest, store.objects))) == data


def test_values_change_while_they_are_stored(tmp_path: Path) -> None:
    before, after = (saved({"weight": torch.full((100,), value)}) for value in (1.0, 2.0))
    with pytest.raises(FileChanged, match="group weight"):
        captured(BytesSource(after), identified(BytesSource(before)), Store.at(tmp_path))


def test_groups_known_here_are_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved({"weight": torch.ones(100), "bias": torch.zeros(10)})
    first, _ = stored(data, tmp_path)
    monkeypatch.setattr("theta_store.encodings.dense.encoded", None)
    assert stored(data, tmp_path)[0] == first


def test_slices_fall_on_the_same_elements_however_the_group_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = torch.arange(999.0).reshape(27, 37)
    data = saved({"weight": weight, "permuted": weight.T.clone().T})
    monkeypatch.setattr(chunks, "MAX_CHUNK", 1000)
    monkeypatch.setattr(bundle, "SMALL", 0)
    manifest, store = stored(data, tmp_path)
    assert len(manifest.recipes[manifest.groups["weight"].digest].oids) > 3
    checkpoint = StoredCheckpoint(manifest, store.objects)
    for name in ("weight", "permuted"):
        assert numpy.array_equal(array(checkpoint, name), weight.numpy())
        pieces = list(slices(checkpoint, name, 100))
        assert [len(piece) for piece in pieces] == [100] * 9 + [99]
        assert numpy.array_equal(numpy.concatenate(pieces), weight.numpy().ravel())


def test_small_groups_share_objects(tmp_path: Path) -> None:
    tensors = {f"layer.{index}.bias": torch.full((10,), float(index)) for index in range(200)}
    data = saved({**tensors, "empty": torch.empty(0), "weight": torch.randn(100, 100)})
    manifest, store = stored(data, tmp_path)
    bundles = {manifest.recipes[manifest.groups[name].digest].oids for name in tensors}
    assert len(bundles) == 1
    assert b"".join(restored(StoredCheckpoint(manifest, store.objects))) == data
    tensors["layer.7.bias"] += 1
    again, _ = stored(saved(tensors), tmp_path)
    changed = {name for name in tensors if again.groups[name].digest != manifest.groups[name].digest}
    assert changed == {"layer.7.bias"}
    assert (
        again.recipes[again.groups["layer.8.bias"].digest] == manifest.recipes[manifest.groups["layer.8.bias"].digest]
    )
