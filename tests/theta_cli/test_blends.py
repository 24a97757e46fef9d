"""What a merge stores follows from what it merged, and is as safe as all else: clones, fsck, gc, damage."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.clones import CloneOf
from tests.clones import Git
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import parse
from theta_cli.main import run
from theta_store.chains import chain
from theta_store.needed import objects_of
from theta_store.objects import hash_of

FILE = "m.safetensors"


@pytest.fixture
def merged(first: Path, git: Git) -> Path:
    """A clone in which two fine-tunes of two groups are merged by their average, and pushed."""
    random = numpy.random.default_rng(0)
    base = {name: random.standard_normal((150, 200), numpy.float32) for name in ("one", "two")}

    def tuned() -> None:
        groups = {
            name: values + numpy.float32(0.01) * random.standard_normal(values.shape, numpy.float32)
            for name, values in base.items()
        }
        save_file(groups, FILE)
        git("commit", "--quiet", "-a", "-m", "tune")

    save_file(base, FILE)
    git("commit", "--quiet", "-a", "-m", "base")
    git("switch", "--quiet", "-c", "branch")
    tuned()
    git("switch", "--quiet", "main")
    tuned()
    before = stored_bytes(first)
    git("merge", "--quiet", "--strategy", "average", "branch")
    assert stored_bytes(first) - before < 3000
    git("push", "--quiet", "origin", "main", "branch")
    return first


def manifest(git: Git, revision: str = "HEAD") -> Manifest:
    return parse(git("show", f"{revision}:{FILE}").encode())


def objects(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in (folder / ".git/theta/objects").glob("??/*")}


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in objects(folder).values())


def test_a_merge_names_both_sides_and_every_command_takes_it(merged: Path, git: Git) -> None:
    found = manifest(git)
    sides = [manifest(git, revision) for revision in ("HEAD~", "branch")]
    for name, tensor in found.groups.items():
        recipe = found.recipes[tensor.digest]
        assert recipe.encoding == "blend"
        assert set(recipe.bases) == {side.groups[name].digest for side in sides}
    assert run("fsck", []) == 0
    assert run("repack", []) == 0
    assert run("gc", ["--grace", "0"]) == 0
    content = (merged / FILE).read_bytes()
    (merged / FILE).unlink()
    git("checkout", "--", FILE)
    assert (merged / FILE).read_bytes() == content
    (merged / FILE).write_bytes(content)
    assert git("status", "--porcelain") == ""
    assert run("repack", ["--everything"]) == 0
    assert (merged / FILE).read_bytes() == content


@pytest.mark.parametrize("options", [[], ["--depth=1", "--single-branch"]])
def test_a_clone_has_the_same_file(merged: Path, clone: CloneOf, git: Git, options: list[str]) -> None:
    copy = clone("copy", *options)
    assert (copy / FILE).read_bytes() == (merged / FILE).read_bytes()
    assert run("fetch", ["--all"]) == 0
    assert run("fsck", []) == 0
    assert objects(copy).keys() >= set(map(hash_of, objects_of(manifest(git))))


def test_fetching_one_group_fetches_what_it_follows_from(
    merged: Path, clone: CloneOf, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    copy = clone("copy")
    monkeypatch.delenv("GIT_THETA_SKIP_SMUDGE")
    assert not objects(copy)
    assert run("fetch", ["--include", "one"]) == 0
    assert objects(copy).keys() == set(map(hash_of, objects_of(manifest(git), ["one"])))
    assert run("pull", []) == 0
    assert (copy / FILE).read_bytes() == (merged / FILE).read_bytes()


def test_a_flipped_bit_in_anything_it_leans_on_is_found_and_mended(merged: Path, git: Git) -> None:
    content = (merged / FILE).read_bytes()
    found = manifest(git)
    for oid in [oid for recipe in chain(found.recipes, found.groups["one"].digest) for oid in recipe.oids]:
        path = objects(merged)[hash_of(oid)]
        sound = path.read_bytes()
        path.unlink()  # the remote's copy may be the same file
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        (merged / FILE).unlink()
        checkout = subprocess.run(["git", "checkout", "--", FILE], capture_output=True, check=False)
        if checkout.returncode == 0:  # the last byte of some objects is padding
            assert (merged / FILE).read_bytes() in (content, bytes(found))
        assert run("fsck", []) == 1
        assert run("fsck", ["--repair"]) == 0
        assert path.read_bytes() == sound
        git("checkout", "--", FILE)
        assert (merged / FILE).read_bytes() == content


def test_without_what_one_side_needs_the_merge_is_missing(
    merged: Path, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = manifest(git, "branch")
    (oid,) = theirs.recipes[theirs.groups["two"].digest].oids
    objects(merged)[hash_of(oid)].unlink()
    capsys.readouterr()
    assert run("fsck", ["--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {(one["kind"], one["path"]) for one in findings} == {("missing", FILE)}
    assert all("group two" in one["message"] for one in findings)
    assert run("fsck", ["--repair"]) == 0


def test_rows_removed_from_a_merged_group_cost_next_to_nothing(merged: Path, git: Git) -> None:
    groups = load_file(FILE)
    save_file({**groups, "one": groups["one"][:-10]}, FILE)
    before = stored_bytes(merged)
    git("commit", "--quiet", "-a", "-m", "fewer rows")
    found = manifest(git)
    assert found.recipes[found.groups["one"].digest].bases == (manifest(git, "HEAD~").groups["one"].digest,)
    assert stored_bytes(merged) - before < 3000
    assert run("fsck", []) == 0


def test_a_version_on_top_of_a_merge_leans_on_it(merged: Path, git: Git) -> None:
    groups = load_file(FILE)
    groups["one"] += numpy.float32(1e-4)
    save_file(groups, FILE)
    git("commit", "--quiet", "-a", "-m", "more")
    found = manifest(git)
    assert found.recipes[found.groups["one"].digest].bases == (manifest(git, "HEAD~").groups["one"].digest,)
    assert run("fsck", []) == 0
