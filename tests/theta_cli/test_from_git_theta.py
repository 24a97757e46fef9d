"""migrate takes over a repository that git-theta 0.2.0 itself made; see tests/git_theta/make.sh."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.conftest import Git
from theta_checkpoint.manifest import parse
from theta_cli import drivers
from theta_cli import installation
from theta_cli.from_git_theta import CannotConvert
from theta_cli.main import run
from theta_git.configuration import Scope
from theta_git.repository import Repository

DATA = Path(__file__).parent.parent / "git_theta" / "stored.tar.gz"
CloneOf = Callable[..., Path]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The unpacked data: the history, the objects of git-lfs, and what git-theta checks out."""
    with tarfile.open(DATA) as archive:
        archive.extractall(tmp_path / "stored", filter="data")
    return tmp_path / "stored"


@pytest.fixture
def cloned(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> CloneOf:
    """``cloned("--depth=1")`` clones the repository, and makes the clone the current folder."""
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    installation.install(Repository(), Scope.GLOBAL, drivers.wanted(drivers.interpreter()))
    origin = tmp_path / "origin.git"
    git("clone", "--quiet", "--mirror", str(stored / "history.bundle"), str(origin))
    (origin / "lfs").mkdir()
    shutil.copytree(stored / "lfs", origin / "lfs" / "objects")

    def clone(*options: str) -> Path:
        git("clone", "--quiet", *options, origin.as_uri(), str(tmp_path / "clone"))
        monkeypatch.chdir(tmp_path / "clone")
        return tmp_path / "clone"

    return clone


def checked_out(git: Git, rev: str) -> dict[str, np.ndarray]:
    git("checkout", "--quiet", rev)
    (path,) = Path().glob("*.pt")
    return {name: tensor.numpy() for name, tensor in torch.load(path).items()}


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    """Whether all values are equal; the last bit of low-rank updates depends on the machine in git-theta."""
    assert {n: (v.dtype, v.shape) for n, v in ours.items()} == {n: (v.dtype, v.shape) for n, v in theirs.items()}
    exact = [name for name in ours if name != "l.weight"]
    assert all(np.array_equal(ours[name], theirs[name]) for name in exact)
    return np.allclose(ours["l.weight"], theirs["l.weight"], rtol=0, atol=1e-5)


def test_every_commit_of_a_clone_that_has_only_texts(cloned: CloneOf, stored: Path, git: Git) -> None:
    cloned()
    git("branch", "--quiet", "side", "origin/side")
    subjects = git("log", "--format=%s", "--branches", "--tags", "--topo-order")
    assert run("migrate", ["--everything", "*.pt"]) == 0
    assert git("status", "--porcelain") == ""
    assert git("log", "--format=%s", "--branches", "--tags", "--topo-order") == subjects
    for rev in git("rev-list", "--branches", "--tags").split():
        subject = git("log", "-1", "--format=%s", rev).strip()
        # git-theta itself has no checkout of the commit in which the file was renamed
        expected = "wide" if subject == "renamed" else subject
        assert same(checked_out(git, rev), load_file(stored / "expected" / f"{expected}.safetensors")), subject
    assert run("fsck", []) == 0


def test_updates_stay_updates(cloned: CloneOf, git: Git) -> None:
    cloned()
    run("migrate", ["--everything", "*.pt"])
    manifest = parse(git("cat-file", "blob", "v1:model.pt").encode())
    recipe = manifest.recipes[manifest.groups["l.weight"].digest]
    assert recipe.encoding == "ia3"
    (base,) = recipe.bases
    assert manifest.recipes[base].encoding == "low-rank"


def test_the_last_commit_alone(cloned: CloneOf, stored: Path, git: Git) -> None:
    cloned()
    before = git("rev-parse", "HEAD")
    assert run("migrate", ["*.pt"]) == 0
    assert git("rev-parse", "HEAD~") == before
    assert git("status", "--porcelain") == ""
    assert same(checked_out(git, "main"), load_file(stored / "expected" / "wide.safetensors"))


def test_what_is_migrated_can_be_pushed_cloned_and_exported(
    cloned: CloneOf, stored: Path, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned()
    installation.install_hook(Repository(), Scope.LOCAL)
    run("migrate", ["--everything", "*.pt"])
    git("push", "--quiet", "--force", "origin", "main")
    git("clone", "--quiet", (tmp_path / "origin.git").as_uri(), str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path / "other")
    assert same(checked_out(git, "main"), load_file(stored / "expected" / "wide.safetensors"))
    before = Path("renamed.pt").read_bytes()
    run("export", ["--to", "plain", "*.pt"])
    assert subprocess.run(["git", "cat-file", "blob", "HEAD:renamed.pt"], capture_output=True).stdout == before


def test_a_text_of_git_theta_is_not_taken_for_a_file(cloned: CloneOf, git: Git) -> None:
    cloned()
    Path("renamed.pt").touch()
    assert git("status", "--porcelain") == ""
    done = subprocess.run(["git", "checkout", "HEAD~", "--", "."], capture_output=True, text=True, check=True)
    assert "stored by git-theta 0.2.0; to get the checkpoint, type: git theta migrate PATH" in done.stderr


def test_a_shallow_clone_lacks_what_updates_change(cloned: CloneOf, git: Git) -> None:
    folder = cloned("--depth=1")
    with pytest.raises(CannotConvert, match=r"renamed\.pt: group \S+: commit \w+, .* is not here; try: git fetch"):
        run("migrate", ["*.pt"])
    assert git("status", "--porcelain") == ""
    assert (folder / "renamed.pt").read_bytes().startswith(b"{\n")


def test_a_missing_and_a_damaged_object(cloned: CloneOf, tmp_path: Path, git: Git) -> None:
    folder = cloned()
    objects = [path for path in (tmp_path / "origin.git/lfs/objects").rglob("*") if path.is_file()]
    for place in objects:
        content = place.read_bytes()
        place.unlink()
        here = folder / ".git/lfs/objects" / place.parent.parent.name / place.parent.name / place.name
        here.parent.mkdir(parents=True)
        here.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CannotConvert, match=r"group \S+: its object .* is damaged"):
        run("migrate", ["*.pt"])
    shutil.rmtree(folder / ".git/lfs")
    with pytest.raises(CannotConvert, match=r"\d+ objects of git-theta are not here"):
        run("migrate", ["*.pt"])
    assert git("status", "--porcelain") == ""
