"""The whole house under adverse conditions: full disks, wrong clocks, many at once, damage of every kind."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.clones import CloneOf
from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import failing
from tests.clones import first as first
from tests.clones import save
from theta_cli.main import run
from theta_git.held import NotWhole
from theta_git.repository import Repository
from theta_git.trees import UnreadableBlob
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.remotes.kvstore import KvStoreRemote
from theta_store.remotes.lfs import LfsRemote

Git = Callable[..., str]
Printed = pytest.CaptureFixture[str]
YEAR = 365 * 24 * 3600


def _saved(path: Path, seed: int) -> bytes:
    """A checkpoint of large groups and small ones."""
    generator = np.random.default_rng(seed)
    shapes = [(100, 100)] * 3 + [(16,)] * 3
    save_file({f"g{number}": generator.standard_normal(shape, np.float32) for number, shape in enumerate(shapes)}, path)
    return path.read_bytes()


def _files(folder: Path) -> list[Path]:
    return [path for path in (folder / ".git/theta/objects").glob("??/*") if path.is_file()]


def _refilled(git: Git, path: Path) -> bytes:
    path.unlink()
    git("checkout", "--", path.name)
    return path.read_bytes()


def test_many_add_at_once(repo: Path, git: Git) -> None:
    git("add", ".gitattributes")
    git("commit", "--quiet", "-m", "attributes")
    trees = [repo.parent / f"tree{number}" for number in range(4)]
    contents = []
    for number, tree in enumerate(trees):
        git("worktree", "add", "--quiet", "--detach", str(tree))
        contents.append(_saved(tree / "m.safetensors", number // 2))
    adding = [subprocess.Popen(["git", "add", "m.safetensors"], cwd=tree, stderr=subprocess.PIPE) for tree in trees]
    assert [process.communicate()[1] for process in adding] == [b""] * len(trees)
    assert [process.returncode for process in adding] == [0] * len(trees)
    assert run("fsck", []) == 0
    for tree, content in zip(trees, contents, strict=True):
        (tree / "m.safetensors").unlink()
        git("-C", str(tree), "checkout-index", "m.safetensors")
        assert (tree / "m.safetensors").read_bytes() == content


def test_adding_while_gc_runs_again_and_again(repo: Path, git: Git) -> None:
    collecting = [sys.executable, "-c", "from theta_cli.main import run\nwhile True: run('gc', [])"]
    process = subprocess.Popen(collecting, stdout=subprocess.DEVNULL)
    try:
        for seed in range(5):
            content = _saved(repo / "m.safetensors", seed % 3)
            git("add", "m.safetensors")
            assert _refilled_from_index(git, repo / "m.safetensors") == content
    finally:
        assert process.poll() is None
        process.kill()
        process.wait()
    assert run("fsck", []) == 0


def _refilled_from_index(git: Git, path: Path) -> bytes:
    path.unlink()
    git("checkout-index", path.name)
    return path.read_bytes()


def test_what_gc_set_aside_is_kept_once_it_is_added_again(repo: Path, git: Git) -> None:
    content = _saved(repo / "m.safetensors", 1)
    git("add", "m.safetensors")
    git("reset", "--quiet")
    git("prune", "--expire=now")
    for path in _files(repo):
        os.utime(path, (0, 0))
    run("gc", [])
    assert _files(repo) == []
    git("add", "m.safetensors")
    assert not list((repo / ".git/theta/aside").glob("??/*"))
    assert _refilled_from_index(git, repo / "m.safetensors") == content


@pytest.mark.parametrize("shift", [-30 * YEAR, -1.0, 30 * YEAR])
def test_a_clock_that_jumps_makes_gc_delete_nothing(
    repo: Path, git: Git, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _saved(repo / "m.safetensors", 1)
    git("add", "m.safetensors")
    blob = git("rev-parse", ":m.safetensors").strip()
    text = git("cat-file", "blob", blob)
    git("reset", "--quiet")
    git("prune", "--expire=now")  # now nothing needs the objects, as before the manifest of an add is written
    now = time.time()
    for when in (now + shift, now, now + shift, now):
        monkeypatch.setattr(time, "time", lambda when=when: when)
        run("gc", [])
    blob = git("hash-object", "-w", "--stdin", stdin=text).strip()
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},m.safetensors")
    run("gc", [])
    assert run("fsck", []) == 0
    assert _refilled_from_index(git, repo / "m.safetensors") == content


@pytest.mark.parametrize("age", [-30 * YEAR, 30 * YEAR])
def test_objects_of_any_age_are_kept_while_they_are_needed(repo: Path, git: Git, age: float) -> None:
    content = _saved(repo / "m.safetensors", 1)
    git("add", "m.safetensors")
    before = _files(repo)
    for path in before:
        os.utime(path, (time.time() - age, time.time() - age))
    run("gc", [])
    assert _files(repo) == before
    assert _refilled_from_index(git, repo / "m.safetensors") == content


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["git-lfs", "folder"])
def test_ten_thousand_objects_in_one_push(
    bare: Path, git: Git, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    git("clone", "--quiet", bare.as_uri(), str(tmp_path / "clone"))
    os.chdir(tmp_path / "clone")
    here, there = ObjectStore(tmp_path / "here/objects"), ObjectStore(tmp_path / "there/objects")
    oids = [here.write(b"%d" % number) for number in range(10_000)]
    counts: list[tuple[int, int]] = []

    def remote(objects: ObjectStore) -> LfsRemote | KvStoreRemote:
        if kind == "git-lfs":
            return LfsRemote(Repository(), objects, "origin")
        return KvStoreRemote(objects, "store", (tmp_path / "bucket").as_uri())

    assert remote(here).send(oids, lambda *count: counts.append(count)) == {}
    assert remote(here).missing(oids) == set()
    assert counts[-1] == (10_000, 10_000)
    assert remote(there).fetch(oids, lambda *count: counts.append(count)) == {}
    assert all(map(there.has, oids))


def _mounted(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(repo: Path) -> Iterator[Path]:
    """A repository whose store has a disk of 256 KiB, where this process may mount one."""
    store = repo / ".git/theta"
    store.mkdir(exist_ok=True)
    if not _mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(store)):
        pytest.skip("no file system can be mounted here")
    yield repo
    subprocess.run(["umount", str(store)], check=True)


@pytest.fixture
def small_tree(first: Path, bare: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clone whose working tree alone has a disk of 512 KiB, where this process may mount one."""
    place = first.parent / "place"
    place.mkdir()
    if not _mounted("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)):
        pytest.skip("no file system can be mounted here")
    git("clone", "--quiet", f"--separate-git-dir={first.parent / 'apart'}", bare.as_uri(), str(place / "tree"))
    monkeypatch.chdir(place / "tree")
    yield place / "tree"
    os.chdir(first)
    subprocess.run(["umount", str(place)], check=True)


def test_a_checkpoint_that_does_not_fit_leaves_its_manifest(small_tree: Path, git: Git, first: Path) -> None:
    # three of these fit one after the other, each in the place of the last, but no two beside one another
    contents = {}
    for branch, length in (("one", 300), ("two", 320), ("big", 600)):
        git("-C", str(first), "switch", "--quiet", "-c", branch)
        save_file(
            {"w": np.random.default_rng(length).standard_normal((length, 256), np.float32)}, first / "m.safetensors"
        )
        contents[branch] = (first / "m.safetensors").read_bytes()
        (first / "notes").write_text(f"{branch}\n")
        git("-C", str(first), "add", ".")
        git("-C", str(first), "commit", "--quiet", "-m", branch)
    git("-C", str(first), "push", "--quiet", "--all")
    git("fetch", "--quiet")
    for branch in ("one", "two"):
        assert "theta" not in failing("switch", branch).stderr
        assert (small_tree / "m.safetensors").read_bytes() == contents[branch]
    done = failing("switch", "big")
    assert done.returncode == 0
    assert f"theta: m.safetensors: it needs {len(contents['big']):,} bytes, and " in done.stderr
    assert " are free; the file holds its manifest: make room, then type: git theta pull\n" in done.stderr
    assert (small_tree / "notes").read_text() == "big\n"
    assert git("status", "--porcelain") == ""
    done = failing("theta", "pull")
    assert done.returncode == 1
    assert "theta: m.safetensors: it needs" in done.stderr
    printed = subprocess.run(["git", "cat-file", "--filters", "HEAD:m.safetensors"], capture_output=True, check=True)
    assert (printed.stdout, printed.stderr) == (contents["big"], b"")
    assert _mounted("-o", "remount,size=2m", str(small_tree.parent))
    git("theta", "pull")
    assert (small_tree / "m.safetensors").read_bytes() == contents["big"]
    assert git("status", "--porcelain") == ""


@pytest.fixture
def read_only(first: Path) -> Iterator[Path]:
    """A clone whose store cannot be written to: mounted so for root, else by its permissions."""
    store = first / ".git/theta"
    mounted = _mounted("--bind", str(store), str(store)) and _mounted("-o", "remount,bind,ro", str(store))
    if not mounted and os.geteuid() == 0:
        pytest.skip("nothing can be mounted here")
    folders = [store, *(path for path in store.rglob("*") if path.is_dir())]
    if not mounted:
        for folder in folders:
            folder.chmod(0o555)
    yield first
    if mounted:
        subprocess.run(["umount", str(store)], check=True)
    else:
        for folder in folders:
            folder.chmod(0o755)


def test_a_full_disk(small_disk: Path, git: Git) -> None:
    content = _saved(small_disk / "m.safetensors", 1)
    git("add", ".")
    git("commit", "--quiet", "-m", "fits")
    big = {"w": np.random.default_rng(0).standard_normal((400, 400), np.float32)}
    save_file(big, small_disk / "big.safetensors")
    done = failing("add", "big.safetensors")
    assert done.returncode
    assert "theta: big.safetensors: cannot write to " in done.stderr
    assert "No space left on device; nothing was lost" in done.stderr
    assert not list((small_disk / ".git/theta/objects").rglob("*.partial"))
    assert run("fsck", []) == 0
    assert _refilled(git, small_disk / "m.safetensors") == content


def test_a_store_that_is_read_only(read_only: Path, git: Git, capsys: Printed) -> None:
    content = (read_only / "m.safetensors").read_bytes()
    assert _refilled(git, read_only / "m.safetensors") == content
    assert run("fsck", []) == 0
    git("add", "m.safetensors")
    assert git("status", "--porcelain") == ""
    save(read_only / "m.safetensors", a=7.25)
    assert git("status", "--porcelain") == " M m.safetensors\n"
    for diff in (("diff",), ("theta", "diff")):
        assert "~ a  F32[8,8]" in git(*diff)
    done = failing("add", "m.safetensors")
    assert done.returncode
    assert "theta: m.safetensors: cannot write to " in done.stderr
    assert "Traceback" not in done.stderr


def _on_a_terminal(*command: str) -> str:
    """What a command shows whose standard error is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["git", "theta", *command], stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 1 << 16):
            shown += piece
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_progress_is_shown_to_a_terminal_and_to_no_one_else(
    first: Path, git: Git, tmp_path: Path, clone: CloneOf
) -> None:
    git("config", "--global", "theta.remote.store.url", (tmp_path / "bucket").as_uri())
    for remote in ("origin", "store"):
        _saved(first / "m.safetensors", 5 if remote == "origin" else 6)
        git("commit", "--quiet", "-a", "-m", f"for {remote}")
        run("fetch", ["--all"])
        assert "theta: sending objects: " in _on_a_terminal("push", remote)
        assert failing("theta", "push", remote).stderr == ""
        subprocess.run(["rm", "-rf", ".git/theta/objects"], check=True)
        shown = _on_a_terminal("fetch", "--remote", remote)
        assert "theta: fetching objects: " in shown
        assert shown.endswith("\r\n")
        subprocess.run(["rm", "-rf", ".git/theta/objects"], check=True)
        assert failing("theta", "fetch", "--remote", remote).stderr == ""


@pytest.mark.parametrize("kind", ["git-lfs", "folder"])
def test_what_arrived_is_not_sent_or_fetched_again(
    first: Path, bare: Path, git: Git, kind: str, tmp_path: Path, capsys: Printed
) -> None:
    there = tmp_path / "bucket" if kind == "folder" else bare / "lfs/objects"
    git("config", "theta.remote.store.url", (tmp_path / "bucket").as_uri())
    remote = "store" if kind == "folder" else "origin"
    _saved(first / "m.safetensors", 5)
    git("commit", "--quiet", "-a", "-m", "large")
    run("push", [remote])
    stored = sorted(path for path in there.rglob("*") if path.is_file())
    before = {path: path.stat().st_mtime_ns for path in stored}
    stored[0].unlink()
    run("push", [remote])
    assert {path: path.stat().st_mtime_ns for path in stored[1:]} == {path: before[path] for path in stored[1:]}
    assert stored[0].is_file()
    lost, *rest = sorted(_files(first))
    kept = {path: path.stat().st_mtime_ns for path in rest}
    lost.unlink()
    capsys.readouterr()
    run("fetch", ["--all", "--remote", remote])
    assert capsys.readouterr().out == "fetched 1 object\n"
    assert {path: path.stat().st_mtime_ns for path in rest} == kept


def test_a_push_to_a_path(first: Path, bare: Path, git: Git, tmp_path: Path) -> None:
    content = save(first / "m.safetensors", a=7.5)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", str(bare), "HEAD:refs/heads/side")
    git("clone", "--quiet", "--branch=side", bare.as_uri(), str(tmp_path / "second"))
    assert (tmp_path / "second/m.safetensors").read_bytes() == content


def test_file_names_of_any_bytes_travel(first: Path, bare: Path, git: Git, tmp_path: Path) -> None:
    names = [b"new\nline", b"\nfirst", b"-dash", b"bad\xff", b'sp ace/\xc3\xbc"q']
    contents = {}
    for number, name in enumerate(names):
        path = first / os.fsdecode(name + b".safetensors")
        path.parent.mkdir(exist_ok=True)
        contents[path.relative_to(first)] = _saved(path, number)
    git("add", ".")
    git("commit", "--quiet", "-m", "names")
    git("push", "--quiet", "origin", "main")
    os.environ["GIT_THETA_SKIP_SMUDGE"] = "1"
    git("clone", "--quiet", bare.as_uri(), str(tmp_path / "second"))
    del os.environ["GIT_THETA_SKIP_SMUDGE"]
    os.chdir(tmp_path / "second")
    subprocess.run(["git", "theta", "pull"], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in contents} == contents
    assert git("status", "--porcelain") == ""
    assert run("fsck", []) == 0


def test_what_lies_in_the_place_of_an_object_is_named_and_replaced(first: Path, capsys: Printed) -> None:
    for kind in ("symlink", "folder"):
        path = min(_files(first))
        path.unlink()
        path.symlink_to("/nowhere") if kind == "symlink" else path.mkdir()
        capsys.readouterr()
        assert run("fsck", []) == 1
        assert f"object: .git/theta/objects/{path.name[:2]}/{path.name}: its bytes are not" in capsys.readouterr().out
        assert run("gc", []) == 0
        assert run("fsck", ["--repair"]) == 0
        assert path.is_file()


def test_a_disk_that_gives_nothing_out(first: Path, git: Git, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    oid = min(_files(first)).name

    def failing_read(fd: int) -> os.stat_result:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fstat", failing_read)
        with pytest.raises(CorruptObject, match=r"cannot be read \(Input/output error\); .* git theta fsck --repair"):
            ObjectStore(first / ".git/theta/objects").read(oid)


def test_an_operation_in_progress_keeps_what_it_needs(first: Path, git: Git) -> None:
    git("switch", "--quiet", "-c", "side")
    theirs = save(first / "m.safetensors", a=5.0, b=6.0)
    git("commit", "--quiet", "-a", "-m", "theirs")
    git("switch", "--quiet", "main")
    save(first / "m.safetensors", a=7.0, b=8.0)
    git("commit", "--quiet", "-a", "-m", "ours")
    for operation in ("merge", "rebase", "cherry-pick"):
        assert failing(operation, "side").returncode
        before = len(_files(first))
        assert run("gc", ["--grace", "0"]) == 0
        assert run("gc", ["--prune-remote-verified"]) == 0
        assert len(_files(first)) == before
        git("theta", "checkout", "--theirs" if operation != "rebase" else "--ours", "m.safetensors")
        assert (first / "m.safetensors").read_bytes() == theirs
        git(operation, "--abort")
        assert run("fsck", []) == 0


@pytest.mark.parametrize("where", ["header", "content"])
def test_a_manifest_that_git_cannot_read_is_named_and_what_it_needs_stays(
    first: Path, git: Git, where: str, capsys: Printed
) -> None:
    save(first / "m.safetensors", a=5.0)
    git("commit", "--quiet", "-a", "-m", "next")
    blob = git("rev-parse", "HEAD~:m.safetensors").strip()
    file = first / ".git/objects" / blob[:2] / blob[2:]
    data = bytearray(file.read_bytes())
    data[1 if where == "header" else len(data) // 2] ^= 4
    file.chmod(0o644)
    file.write_bytes(data)
    assert run("fsck", []) == 1
    assert f"manifest: m.safetensors ({blob[:10]}): git cannot read blob {blob[:10]}" in capsys.readouterr().out
    before = _files(first)
    with pytest.raises(UnreadableBlob, match="git fsck"):
        run("gc", ["--grace", "0"])
    assert _files(first) == before


def test_gc_deletes_nothing_while_git_lacks_a_part_of_its_history(first: Path, git: Git) -> None:
    git("clone", "--quiet", "--shared", str(first), "../second")
    os.chdir("../second")
    save(Path("m.safetensors"), a=5.0)
    git("commit", "--quiet", "-a", "-m", "own")
    tree = git("rev-parse", "HEAD~^{tree}").strip()
    lent = first / ".git/objects" / tree[:2] / tree[2:]
    lent.rename(first / "away")  # as a disk that is not mounted
    before = _files(Path.cwd())
    with pytest.raises(NotWhole, match=r"nothing was changed; .* git fsck"):
        run("gc", ["--grace", "0"])
    assert _files(Path.cwd()) == before
    (first / "away").rename(lent)
    assert run("gc", ["--grace", "0"]) == 0
    assert _files(Path.cwd()) == before


def test_a_flipped_bit_in_a_conflict_record_is_named_and_not_believed(first: Path, git: Git, capsys: Printed) -> None:
    git("switch", "--quiet", "-c", "side")
    save(first / "m.safetensors", a=5.0)
    git("commit", "--quiet", "-a", "-m", "theirs")
    git("switch", "--quiet", "main")
    save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "ours")
    assert failing("merge", "side").returncode
    record = first / ".git/theta/conflicts/m.safetensors.json"
    assert run("fsck", []) == 0
    record.write_text(record.read_text().replace('"a"', '"b"', 1))
    capsys.readouterr()
    assert run("fsck", []) == 1
    assert "conflict: .git/theta/conflicts/m.safetensors.json: not as it was written" in capsys.readouterr().out
    git("theta", "resolve", "--strategy", "average", "m.safetensors")
    git("commit", "--quiet", "-m", "merged")
    expected = save(first / "expected.safetensors", a=6.0)
    assert _refilled(git, first / "m.safetensors") == expected
