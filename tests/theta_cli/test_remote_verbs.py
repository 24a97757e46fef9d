"""push, fetch, pull, remote, fsck --repair and gc, on a bare repository and its clones."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.clones import CloneOf
from tests.clones import failing
from tests.clones import save
from theta_cli.commands.remote import BadRemote
from theta_cli.main import run

Git = Callable[..., str]
Printed = pytest.CaptureFixture[str]


def _objects(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".git/theta/objects").glob("??/*")}


def _document(verb: str, *arguments: str, printed: Printed) -> Any:
    printed.readouterr()
    run(verb, [*arguments, "--json"])
    return json.loads(printed.readouterr().out)


def _apart(folder: Path) -> None:
    """Give files of their own to what git-lfs linked."""
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)


def _forget_objects(folder: Path) -> None:
    shutil.rmtree(folder / ".git/theta")


def test_push_sends_what_an_earlier_push_left_out(
    first: Path, bare: Path, git: Git, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "change")
    monkeypatch.setenv("GIT_THETA_SKIP_PUSH", "1")
    git("push", "--quiet", "origin", "main")
    there = {path.name for path in (bare / "lfs/objects").glob("*/*/*")}
    assert there < _objects(first)
    assert run("push", []) == 0
    assert {path.name for path in (bare / "lfs/objects").glob("*/*/*")} == _objects(first)
    assert capsys.readouterr().out == f"origin has all {len(_objects(first))} objects\n"


def test_fetch_includes_only_the_groups_that_were_asked_for(first: Path, git: Git, capsys: Printed) -> None:
    values = np.random.default_rng(0).standard_normal((4, 600, 600), np.float32)
    save_file({f"layer.{number}": value for number, value in enumerate(values)}, first / "big.safetensors")
    git("add", "big.safetensors")
    every = _objects(first)
    git("commit", "--quiet", "-m", "big")
    run("push", [])
    _forget_objects(first)
    run("fetch", ["big.safetensors", "--include", "layer.1", "--include", "*.3"])
    assert len(_objects(first)) == 4  # two groups, the skeleton and the sketches
    run("fetch", [])
    assert _objects(first) == every
    assert _document("fetch", printed=capsys) == {"version": 1, "fetched": 0, "failed": {}, "missing": {}}


def test_a_runner_that_only_compares_fetches_sketches(first: Path, git: Git, capsys: Printed) -> None:
    values = np.random.default_rng(0).standard_normal((2, 600, 600), np.float32)
    save_file({"w": values[0]}, first / "m.safetensors")
    git("commit", "--quiet", "-a", "-m", "one")
    save_file({"w": values[0] * np.float32(1.5)}, first / "m.safetensors")
    git("commit", "--quiet", "-a", "-m", "two")
    run("push", [])
    _forget_objects(first)
    rules = ["HEAD~", "HEAD", "--fail-on", "nan", "--fail-on", "relative_change>0.9"]
    assert run("diff", rules) == 1
    assert "w nan unknown; bring the sketches here with: git theta fetch" in capsys.readouterr().err
    assert run("fetch", ["--sketches", "--all"]) == 0
    assert len(_objects(first)) == 3
    assert run("diff", rules) == 0


def test_fetch_of_another_revision_and_of_the_whole_history(first: Path, git: Git) -> None:
    save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    every = _objects(first)
    _forget_objects(first)
    run("fetch", ["--rev", "HEAD~"])
    assert _objects(first) < every
    run("fetch", ["--all"])
    assert _objects(first) == every


def test_pull_fetches_and_writes_files(
    first: Path, clone: CloneOf, git: Git, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    second = clone("second")
    assert run("pull", []) == 0
    assert capsys.readouterr().out == "wrote m.safetensors\n"
    assert (second / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    assert git("status", "--porcelain") == ""


def test_pull_in_a_clone_that_knows_nothing_of_theta_installs_it(
    first: Path, clone: CloneOf, git: Git, capsys: Printed
) -> None:
    run("uninstall", ["--global"])
    second = clone("second")
    assert (second / "m.safetensors").read_bytes().startswith(b"theta 1\n")
    capsys.readouterr()
    assert run("pull", []) == 0
    assert capsys.readouterr().out == "installed theta in .git/config (local)\nwrote m.safetensors\n"
    assert (second / "m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    assert git("status", "--porcelain") == ""


def test_pull_and_fetch_serve_a_conflict_that_a_colleague_without_theta_ran_into(
    first: Path, clone: CloneOf, git: Git
) -> None:
    save(first / "other.safetensors")
    git("add", "other.safetensors")
    git("commit", "--quiet", "-m", "other")
    for branch, value in {"side": 5.0, "main": 7.0}.items():
        git("switch", "--quiet", "--force-create", branch, "main")
        save(first / "m.safetensors", a=value)
        git("commit", "--quiet", "-a", "-m", branch)
    git("push", "--quiet", "origin", "main", "side")
    run("uninstall", ["--global"])
    second = clone("second")
    assert failing("merge", "origin/side").returncode == 1
    run("fetch", [])
    assert run("pull", []) == 0
    assert (second / "other.safetensors").read_bytes() == (first / "other.safetensors").read_bytes()
    assert git("status", "--porcelain") == "UU m.safetensors\n"
    assert run("resolve", ["--strategy", "average"]) == 0
    assert load_file(second / "m.safetensors")["a"][0, 0] == 6.0


def test_objects_can_be_kept_in_another_place(
    first: Path, clone: CloneOf, bare: Path, tmp_path: Path, git: Git, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    run("remote", ["add", "origin", bucket.as_uri()])
    content = save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    run("push", [])
    assert {path.name for path in bucket.glob("*/*")} == _objects(first)
    assert _objects(first) - {path.name for path in (bare / "lfs/objects").glob("*/*/*")}
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    second = clone("second")
    monkeypatch.delenv("GIT_THETA_SKIP_SMUDGE")
    git("config", "remote.origin.thetaUrl", bucket.as_uri())
    git("checkout", "--quiet", "HEAD", "--", ".")
    run("pull", [])
    assert (second / "m.safetensors").read_bytes() == content
    assert _document("remote", printed=capsys)["remotes"] == {"origin": f"origin ({bucket.as_uri()})"}


def test_remotes_are_listed_and_removed(first: Path, git: Git, capsys: Printed) -> None:
    run("remote", ["add", "store", "file:///nowhere", "--default"])
    run("remote", ["remove", "store"])
    run("remote", [])
    assert capsys.readouterr().out.splitlines()[-1] == "origin (git-lfs)"
    assert "theta" not in git("config", "--local", "--list").replace("theta.git", "")
    with pytest.raises(BadRemote, match="there is no remote store"):
        run("remote", ["remove", "store"])


def test_fsck_names_a_flipped_bit_in_every_object_and_repairs_it(first: Path, bare: Path, capsys: Printed) -> None:
    _apart(bare / "lfs")
    objects = sorted((first / ".git/theta/objects").glob("??/*"))
    before = {path: path.read_bytes() for path in objects}
    for path in objects:
        _flip(path)
        capsys.readouterr()
        assert run("fsck", []) == 1
        assert f"object: .git/theta/objects/{path.name[:2]}/{path.name}: its bytes are not" in capsys.readouterr().out
    assert run("fsck", ["--repair"]) == 0
    assert f"{len(objects)} objects repaired" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in objects} == before


def test_fsck_repairs_missing_objects(first: Path, capsys: Printed) -> None:
    every = _objects(first)
    _forget_objects(first)
    assert run("fsck", []) == 1
    assert run("fsck", ["--repair"]) == 0
    assert _objects(first) == every


@pytest.fixture
def two_versions(first: Path, git: Git, clone: CloneOf) -> Path:
    """A fresh clone of two branches; only what main needs has been fetched."""
    git("switch", "--quiet", "-c", "side")
    save(first / "m.safetensors", a=7.0)
    git("commit", "--quiet", "-a", "-m", "side")
    git("push", "--quiet", "origin", "side")
    return clone("second")


def test_fsck_tells_other_versions_that_a_remote_has_from_lost_ones(
    two_versions: Path, git: Git, capsys: Printed
) -> None:
    assert run("fsck", []) == 0
    told = capsys.readouterr().out.splitlines()
    count = int(told[0].split()[0])
    assert told == [
        f"{count} objects of other versions: not fetched from origin, which has them; to get them, type: "
        "git theta fetch --all",
        "2 manifests checked, 0 findings",
    ]
    assert _document("fsck", printed=capsys)["unfetched"] == {"origin": count}
    run("fetch", ["--all"])
    assert capsys.readouterr().out == f"fetched {count} objects\n"
    assert run("fsck", []) == 0
    assert capsys.readouterr().out == "2 manifests checked, 0 findings\n"


def test_fsck_names_what_the_remote_has_not(two_versions: Path, bare: Path, capsys: Printed) -> None:
    here = _objects(two_versions)
    for path in [path for path in (bare / "lfs/objects").rglob("*") if path.is_file() and path.name not in here]:
        path.unlink()
    assert run("fsck", []) == 1
    assert "not here: the values of group a; no remote is known to have it" in capsys.readouterr().out


def test_fsck_calls_nothing_sound_that_no_remote_can_be_asked_for(
    two_versions: Path, bare: Path, git: Git, capsys: Printed
) -> None:
    git("config", "theta.remote.origin.url", "s3://bucket/x?wrong")
    assert run("fsck", []) == 1
    assert "not here: the values of group a; origin could not be asked: " in capsys.readouterr().out
    git("remote", "remove", "origin")
    assert run("fsck", []) == 0  # with the remote went the branches that came from it


@pytest.mark.parametrize("place", ["HEAD", "index", "working tree", "stash", "worktree"])
def test_fsck_misses_what_is_used_now_though_the_remote_has_it(
    two_versions: Path, git: Git, place: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    match place:
        case "HEAD":
            git("switch", "--quiet", "--detach", "origin/side")
        case "index":
            git("restore", "--source=origin/side", "--staged", "m.safetensors")
        case "working tree":
            git("restore", "--source=origin/side", "m.safetensors")
        case "stash":
            git("restore", "--source=origin/side", "m.safetensors")
            git("stash", "--quiet")
        case "worktree":
            git("worktree", "add", "--quiet", "../tree", "origin/side")
    assert run("fsck", []) == 1
    assert "not here: the values of group a; to get it, type: git theta fsck --repair" in capsys.readouterr().out
    assert run("fsck", ["--repair"]) == 0


def test_fsck_of_a_bare_repository(bare: Path, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare)
    assert run("fsck", []) == 1
    shutil.copytree(first / ".git/theta", bare / "theta", dirs_exist_ok=True)
    assert run("fsck", []) == 0


def test_a_damaged_object_with_no_good_copy_stays(first: Path, bare: Path, capsys: Printed) -> None:
    path = next((first / ".git/theta/objects").glob("??/*"))
    _flip(path)
    shutil.rmtree(bare / "lfs")
    assert run("fsck", ["--repair"]) == 1
    assert path.exists()
    told = capsys.readouterr().out
    assert "0 objects repaired" in told
    assert "needed by m.safetensors; no remote gave a good copy; a clone that has one can: copy the file" in told


def test_gc_keeps_what_git_could_bring_back(first: Path, git: Git, capsys: Printed) -> None:
    save(first / "m.safetensors", a=3.0, b=1.5)
    git("commit", "--quiet", "-a", "-m", "dropped")
    git("reset", "--quiet", "--hard", "HEAD~")
    save(first / "m.safetensors", a=4.0, b=2.5)
    git("stash", "--quiet")
    save(first / "m.safetensors", a=5.0, b=3.5)
    git("add", "m.safetensors")
    every = _objects(first)
    assert run("gc", ["--grace", "0"]) == 0
    assert _objects(first) == every
    git("reset", "--quiet", "--hard")
    git("stash", "clear")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    run("gc", ["--grace", "0", "--dry-run"])
    assert _objects(first) == every
    run("gc", ["--grace", "0"])
    assert _objects(first) < every
    assert run("fsck", []) == 0


def test_gc_deletes_here_what_the_remote_has(first: Path, git: Git, capsys: Printed) -> None:
    old = _objects(first)
    save(first / "m.safetensors", a=3.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    unpushed = save(first / "m.safetensors", a=4.0)
    git("commit", "--quiet", "-a", "-m", "unpushed")
    every = _objects(first)
    freed = _document("gc", "--prune-remote-verified", printed=capsys)["on_remote"]["objects"]
    assert 0 < freed == len(every - _objects(first))
    (first / "m.safetensors").unlink()
    git("checkout", "--", "m.safetensors")
    assert (first / "m.safetensors").read_bytes() == unpushed
    git("checkout", "--quiet", "HEAD~2")
    assert old <= _objects(first)


@pytest.mark.parametrize("damage", ["flip", "cut"])
@pytest.mark.parametrize("kind", ["git-lfs", "folder"])
def test_gc_keeps_here_what_the_remote_has_damaged(
    first: Path, bare: Path, git: Git, tmp_path: Path, kind: str, damage: str
) -> None:
    if kind == "folder":
        run("remote", ["add", "origin", (tmp_path / "bucket").as_uri()])
    save(first / "m.safetensors", a=7.0, b=8.0)
    git("commit", "--quiet", "-a", "-m", "change")
    git("push", "--quiet", "origin", "main")
    run("push", [])
    if kind == "git-lfs":
        _apart(bare / "lfs")
    before = _objects(first)
    there = tmp_path / "bucket" if kind == "folder" else bare / "lfs/objects"
    for path in [path for path in there.rglob("*") if path.is_file()]:
        _flip(path)
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:-1])
    run("gc", ["--prune-remote-verified"])
    assert _objects(first) == before


@pytest.mark.parametrize(
    "harmless", [("lfs", "prune"), ("gc", "--quiet", "--prune=now"), ("worktree", "remove", "../tree")]
)
def test_what_others_clean_up_is_harmless(first: Path, git: Git, harmless: tuple[str, ...]) -> None:
    git("worktree", "add", "--quiet", "../tree", "-b", "side")
    save(first.parent / "tree/m.safetensors", a=9.0)
    git("-C", "../tree", "commit", "--quiet", "-a", "-m", "side")
    git(*harmless)
    assert run("fsck", []) == 0


def test_clones_share_objects_with_the_repository_that_git_borrows_from(first: Path, git: Git) -> None:
    os.chdir(first.parent)
    git("clone", "--quiet", "--reference", str(first), (first.parent / "bare.git").as_uri(), "second")
    assert (first.parent / "second/m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    assert _objects(first.parent / "second") == set()


def test_a_clone_of_a_clone_links_its_objects(first: Path, git: Git) -> None:
    os.chdir(first.parent)
    git("clone", "--quiet", str(first), "second")
    assert (first.parent / "second/m.safetensors").read_bytes() == (first / "m.safetensors").read_bytes()
    oid = next(iter(_objects(first)))
    places = [first.parent / name / ".git/theta/objects" / oid[:2] / oid for name in ("first", "second")]
    assert places[0].samefile(places[1])


@pytest.mark.parametrize(("table", "column"), [("recipes", "recipe"), ("sketches", "sketch")])
def test_fsck_names_a_flipped_bit_in_the_cache_and_forgets_it(
    table: str, column: str, first: Path, capsys: Printed
) -> None:
    with contextlib.closing(sqlite3.connect(first / ".git/theta/known.sqlite")) as database, database:
        ((key, value),) = database.execute(f"SELECT digest, {column} FROM {table} LIMIT 1").fetchall()
        wrong = value[:60] + bytes([value[60] ^ 1]) + value[61:]
        database.execute(f"UPDATE {table} SET {column} = ? WHERE digest = ?", (wrong, key))
    assert run("fsck", []) == 1
    assert "cache: .git/theta/known.sqlite" in capsys.readouterr().out
    assert run("fsck", ["--repair"]) == 0
    (first / "m.safetensors").touch()
    assert run("status", []) == 0
