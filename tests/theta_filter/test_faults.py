"""What goes wrong in add and checkout: a message that names the path, and nothing lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch

from tests.conftest import Begun
from tests.conftest import Git
from theta_filter.clean import cleaned
from theta_filter.clone import Clone
from theta_git.repository import Repository
from theta_store.reading import FileChanged


def run_git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def committed_model(begun: Begun, git: Git) -> bytes:
    """The file ``model.pt``, which is committed."""
    return begun("a pickle", lambda: commit(git))


def commit(git: Git) -> bytes:
    torch.manual_seed(0)
    torch.save({"encoder.weight": torch.randn(200, 100), "bias": torch.zeros(100)}, "model.pt")
    git("add", "model.pt", ".gitattributes")
    git("commit", "--quiet", "--message=model")
    return Path("model.pt").read_bytes()


def largest_object(repo: Path) -> Path:
    return max((repo / ".git/theta/objects").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)


def test_a_missing_object_leaves_the_manifest_and_says_how_to_get_the_values(
    committed_model: bytes, repo: Path, git: Git
) -> None:
    largest_object(repo).unlink()
    (repo / "model.pt").unlink()
    done = run_git("checkout", "--", "model.pt")
    assert done.returncode == 0
    assert "model.pt: the values of group encoder.weight are not here" in done.stderr
    assert "git theta pull" in done.stderr
    assert (repo / "model.pt").read_bytes().startswith(b"theta 1\n")
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("damage", ["flip", "cut", "swap"])
def test_a_corrupt_object_never_reaches_the_working_tree(
    committed_model: bytes, repo: Path, git: Git, damage: str
) -> None:
    path = largest_object(repo)
    data = bytearray(path.read_bytes())
    match damage:
        case "flip":
            data[len(data) // 2] ^= 1
        case "cut":
            del data[-10:]
        case "swap":
            data[-10:] = bytes(10)
    path.chmod(0o644)
    path.write_bytes(data)
    (repo / "model.pt").unlink()
    done = run_git("checkout", "--", "model.pt")
    assert done.returncode != 0
    assert "model.pt: group encoder.weight: " in done.stderr
    assert not (repo / "model.pt").exists()


def test_a_store_that_cannot_be_written_fails_the_add_and_keeps_the_file(repo: Path) -> None:
    torch.save({"weight": torch.randn(100, 100)}, repo / "model.pt")
    before = (repo / "model.pt").read_bytes()
    (repo / ".git/theta").mkdir()
    (repo / ".git/theta/objects").write_bytes(b"in the way")
    done = run_git("add", "model.pt")
    assert done.returncode != 0
    assert "theta: model.pt: cannot write to" in done.stderr
    assert "Traceback" not in done.stderr
    assert (repo / "model.pt").read_bytes() == before


def test_a_full_disk_leaves_no_partial_object(repo: Path) -> None:
    torch.save({"weight": torch.randn(300, 300)}, repo / "model.pt")
    done = subprocess.run(["bash", "-c", "ulimit -f 64; git add model.pt"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "theta: model.pt: cannot write to" in done.stderr
    assert not list((repo / ".git/theta/objects").rglob("*.partial"))
    assert run_git("add", "model.pt").returncode == 0


def test_conflict_markers_in_a_manifest_pass_through_a_checkout(committed_model: bytes, repo: Path, git: Git) -> None:
    manifest = git("show", "HEAD:model.pt")
    broken = manifest.replace("root ", "<<<<<<< ours\nroot ", 1)
    blob = git("hash-object", "-w", "--stdin", stdin=broken).strip()
    git("update-index", "--cacheinfo", f"100644,{blob},model.pt")
    done = run_git("checkout-index", "--force", "model.pt")
    assert done.returncode == 0
    assert "theta: model.pt: a damaged manifest, left as it is (line 3" in done.stderr
    assert (repo / "model.pt").read_text() == broken


def test_adding_a_damaged_manifest_warns_and_keeps_its_bytes(committed_model: bytes, repo: Path, git: Git) -> None:
    broken = git("show", "HEAD:model.pt").replace("group ", "=======\ngroup ", 1)
    (repo / "model.pt").write_text(broken)
    done = run_git("add", "model.pt")
    assert done.returncode == 0
    assert "damaged manifest" in done.stderr
    (repo / "model.pt").unlink()
    git("checkout", "--", "model.pt")
    assert (repo / "model.pt").read_text() == broken


def test_a_raw_checkpoint_committed_before_tracking_checks_out_as_it_is(repo: Path, git: Git) -> None:
    torch.save({"weight": torch.randn(10)}, repo / "model.pt")
    raw = (repo / "model.pt").read_bytes()
    blob = git("hash-object", "-w", "--no-filters", "model.pt").strip()
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},model.pt")
    done = run_git("checkout-index", "--force", "model.pt")
    assert done.returncode == 0
    assert (repo / "model.pt").read_bytes() == raw


def test_a_file_that_changes_while_it_is_read_is_not_added(repo: Path) -> None:
    path = repo / "model.pt"
    path.write_bytes(os.urandom(300_000))
    first = path.read_bytes()

    def pieces_with_a_write_after_the_second() -> Iterator[bytes]:
        yield first[:100_000]
        yield first[100_000:200_000]
        path.write_bytes(os.urandom(1000))
        yield first[200_000:]

    with pytest.raises(FileChanged, match="add it again"):
        cleaned("model.pt", pieces_with_a_write_after_the_second(), Clone(Repository()))


@pytest.mark.parametrize("length", [10, 100_000, 3_000_000])
def test_bytes_that_differ_from_the_working_tree_are_what_is_stored(repo: Path, git: Git, length: int) -> None:
    (repo / "model.pt").write_bytes(b"a" * length + b"tail")
    staged = b"a" * length + b"another tail"
    (repo / "other").write_bytes(staged)
    blob = git("hash-object", "-w", "--path=model.pt", "other").strip()
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},model.pt")
    git("checkout-index", "--force", "model.pt")
    assert (repo / "model.pt").read_bytes() == staged


def test_a_pickle_that_runs_a_command_is_kept_and_not_run(repo: Path, git: Git) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {repo}/ran",)

    torch.save({"weight": torch.ones(3), "evil": Evil()}, repo / "model.pt")
    before = (repo / "model.pt").read_bytes()
    git("add", "model.pt")
    (repo / "model.pt").unlink()
    git("checkout-index", "model.pt")
    assert (repo / "model.pt").read_bytes() == before
    assert "group weight F32[3]" in git("show", ":model.pt")
    assert not (repo / "ran").exists()


@pytest.mark.parametrize("name", ["new\nline", "tab\t", 'quo"te', "../../up", "nul\0byte", "", " ", "ü", "\x1b[31m"])
def test_names_of_any_kind_are_kept(repo: Path, git: Git, name: str) -> None:
    torch.save({name: torch.ones(2), "plain": torch.zeros(2)}, repo / "model.pt")
    before = (repo / "model.pt").read_bytes()
    git("add", "model.pt")
    manifest = git("show", ":model.pt")
    assert len([line for line in manifest.split("\n") if line.startswith("group ")]) == 2
    assert "\x1b" not in manifest
    (repo / "model.pt").unlink()
    git("checkout-index", "model.pt")
    assert (repo / "model.pt").read_bytes() == before


def test_a_killed_add_leaves_a_repository_in_which_add_works(repo: Path, git: Git) -> None:
    numpy.random.default_rng(0).standard_normal(8_000_000).astype("f4").tofile(repo / "model.pt")
    for delay in ("0.05", "0.1", "0.15", "0.2"):
        subprocess.run(["timeout", "--signal=KILL", delay, "git", "add", "model.pt"], check=False, capture_output=True)
        (repo / ".git/index.lock").unlink(missing_ok=True)
    git("add", "model.pt")
    before = (repo / "model.pt").read_bytes()
    (repo / "model.pt").unlink()
    git("checkout-index", "model.pt")
    assert (repo / "model.pt").read_bytes() == before
