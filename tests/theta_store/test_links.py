from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from theta_store import links

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


def test_a_hard_link_where_the_file_system_can(source: Path) -> None:
    links.join(source, source.with_name("place"))
    assert source.samefile(source.with_name("place"))


def test_the_same_content_where_it_cannot(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    links.join(source, source.with_name("place"))
    assert not source.samefile(source.with_name("place"))
    assert source.with_name("place").read_bytes() == CONTENT


def test_what_is_there_stays(source: Path) -> None:
    source.with_name("place").write_bytes(b"other")
    with pytest.raises(FileExistsError):
        links.join(source, source.with_name("place"))
    assert source.with_name("place").read_bytes() == b"other"


@pytest.fixture
def subvolumes(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two subvolumes of a btrfs, between which there are no hard links; where one can be made and mounted."""
    if not shutil.which("mkfs.btrfs") or not shutil.which("btrfs"):
        pytest.skip("there is no btrfs here")
    image, folder = tmp_path / "image", tmp_path / "btrfs"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(300 << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", str(image)], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        for name in ("one", "two"):
            subprocess.run(["btrfs", "subvolume", "create", str(folder / name)], check=True, capture_output=True)
        yield folder / "one", folder / "two"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_shared_blocks_where_only_they_can_be_had(subvolumes: tuple[Path, Path]) -> None:
    one, two = subvolumes[0] / "file", subvolumes[1] / "file"
    one.write_bytes(os.urandom(4 << 20))
    os.sync()
    links.join(one, two)
    assert two.read_bytes() == one.read_bytes()
    assert not one.samefile(two)
    os.sync()
    told = subprocess.run(["btrfs", "filesystem", "du", "--raw", str(two)], check=True, capture_output=True, text=True)
    total, exclusive, *_ = told.stdout.splitlines()[-1].split()
    assert (int(total), int(exclusive)) == (4 << 20, 0)
