"""status, ls-files, env, fsck, fetch and pull, on a repository with two small checkpoints."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.conftest import Begun
from theta_cli.fetching import ObjectsMissing
from theta_cli.inventory import NotACheckpoint
from theta_cli.main import run

Git = Callable[..., str]
Printed = pytest.CaptureFixture[str]


def _save(path: Path, **changed: float) -> None:
    values = {"a": 1.0, "b": 2.0, "c": 3.0, **changed}
    save_file({name: np.full((2, 3), value, np.float32) for name, value in values.items()}, path)


@pytest.fixture
def committed(repo: Path, begun: Begun, git: Git) -> Path:
    """A repository in which ``one.safetensors`` and ``two.safetensors`` are committed."""
    begun("one and two", lambda: _commit(git))
    return repo


def _commit(git: Git) -> None:
    _save(Path("one.safetensors"))
    _save(Path("two.safetensors"), d=4.0)
    git("add", ".")
    git("commit", "--quiet", "-m", "base")


def _without_objects(folder: Path) -> None:
    """As after a clone: no objects, and files that hold their manifest."""
    shutil.rmtree(folder / ".git/theta")
    for file in folder.glob("*.safetensors"):
        file.unlink()


def _document(verb: str, *arguments: str, printed: Printed) -> Any:
    printed.readouterr()
    run(verb, [*arguments, "--json"])
    document = json.loads(printed.readouterr().out)
    assert document["version"] == 1
    return document


def test_status_counts_groups_staged_and_not_staged(committed: Path, git: Git, capsys: Printed) -> None:
    _save(committed / "one.safetensors", a=9.0)
    git("add", "one.safetensors")
    _save(committed / "one.safetensors", a=9.0, b=9.0, e=5.0)
    _save(committed / "new.safetensors")
    assert run("status", []) == 0
    assert capsys.readouterr().out.splitlines() == [
        "one.safetensors",
        "    staged:     1 group modified, 2 unchanged; 6 of 18 parameters in modified groups",
        "    not staged: 1 group modified, 1 added, 2 unchanged; 6 of 24 parameters in modified groups",
        "new.safetensors",
        "    not added; type: git add new.safetensors",
        "1 checkpoint unchanged",
    ]
    document = _document("status", "one.safetensors", printed=capsys)
    assert document["checkpoints"][0]["staged"] == {
        "added": 0, "removed": 0, "modified": 1, "renamed": 0, "values": 0, "unchanged": 2,
    }  # fmt: skip


def test_a_touched_file_is_unchanged(committed: Path, capsys: Printed) -> None:
    os.utime(committed / "one.safetensors", (1, 1))
    run("status", ["one.safetensors"])
    assert capsys.readouterr().out == "1 checkpoint unchanged\n"


def test_status_tells_of_attributes_that_colleagues_would_not_get(repo: Path, git: Git, capsys: Printed) -> None:
    _save(repo / "one.safetensors")
    git("add", "one.safetensors")
    assert run("status", []) == 1
    told = "problem: one.safetensors is a checkpoint by a line in .gitattributes that git does not have"
    assert f"{told}; type: git add .gitattributes\n" in capsys.readouterr().out
    git("add", ".gitattributes")
    assert run("status", []) == 0


def test_status_of_a_deleted_file_and_of_the_first_commit(repo: Path, git: Git, capsys: Printed) -> None:
    _save(repo / "one.safetensors")
    git("add", ".")
    run("status", [])
    assert "staged:     3 groups added" in capsys.readouterr().out
    (repo / "one.safetensors").unlink()
    run("status", [])
    assert "not staged: 3 groups removed" in capsys.readouterr().out


def test_status_asks_for_nothing_that_a_sparse_checkout_leaves_out(committed: Path, git: Git, capsys: Printed) -> None:
    git("sparse-checkout", "set", "--no-cone", "two.safetensors", ".gitattributes")
    (committed / "two.safetensors").write_text(git("show", "HEAD:two.safetensors"))
    shutil.rmtree(committed / ".git/theta")
    run("status", [])
    assert capsys.readouterr().out.splitlines() == [
        "two.safetensors",
        "    the file holds its manifest, not its values; type: git theta pull",
        "1 checkpoint unchanged",
    ]


def test_status_tells_of_a_broken_installation_and_exits_1(committed: Path, git: Git, capsys: Printed) -> None:
    git("config", "--unset", "filter.theta.required")
    assert run("status", []) == 1
    assert "problem: filter.theta.required is not set; type: git theta install" in capsys.readouterr().out


def test_status_tells_of_a_file_added_without_the_filter(empty_repo: Path, git: Git, capsys: Printed) -> None:
    _save(empty_repo / "raw.safetensors")
    git("add", ".")
    (empty_repo / ".gitattributes").write_text("*.safetensors filter=theta\n")
    run("status", [])
    assert (
        "not a manifest: added before it was tracked, or without theta; type: git add --renormalize ."
        in capsys.readouterr().out
    )


def test_status_tells_of_a_renamed_file_that_no_pattern_tracks(empty_repo: Path, git: Git, capsys: Printed) -> None:
    _save(empty_repo / "one.safetensors")
    run("track", ["one.safetensors"])
    git("add", ".")
    git("mv", "one.safetensors", "two.safetensors")
    capsys.readouterr()
    run("status", [])
    told = "a checkpoint that no pattern tracks any more, as after git mv; type: git theta track two.safetensors"
    assert capsys.readouterr().out == f"two.safetensors\n    {told}\n"
    run("track", ["two.safetensors"])
    git("add", ".gitattributes")
    capsys.readouterr()
    run("status", [])
    assert capsys.readouterr().out == "two.safetensors\n    staged:     3 groups added\n"


def test_status_tells_the_way_out_of_a_manifest_staged_in_part(committed: Path, git: Git, capsys: Printed) -> None:
    """As git add -p, reset -p and checkout -p make them of some of the hunks."""
    whole = git("cat-file", "blob", ":one.safetensors")
    damaged = whole.replace("F32[2,3]", "F32[3,2]", 1)
    blob = git("hash-object", "-w", "--no-filters", "--stdin", stdin=damaged).strip()
    git("update-index", "--cacheinfo", f"100644,{blob},one.safetensors")

    def told() -> str:
        capsys.readouterr()
        run("status", ["one.safetensors"])
        return capsys.readouterr().out.partition("\n    ")[2]

    assert "a damaged manifest is staged, as after git add -p of a part; type: git add one.safetensors" in told()
    git("add", "one.safetensors")
    assert git("cat-file", "blob", ":one.safetensors") == whole
    (committed / "one.safetensors").write_text(damaged)
    assert "the file holds a damaged manifest; type: git checkout -- one.safetensors" in told()
    git("checkout", "--", "one.safetensors")
    assert told() == ""


@pytest.mark.parametrize(("name", "typed"), [("a b.pt", "'../a b.pt'"), ("folder/-x.pt", "./-x.pt")])
def test_status_names_paths_as_they_can_be_typed_here(
    name: str, typed: str, repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    (repo / "folder").mkdir()
    (repo / name).write_bytes(b"bytes")
    monkeypatch.chdir(repo / "folder")
    run("status", [])
    assert f"{name}\n    not added; type: git add {typed}\n" in capsys.readouterr().out


def test_ls_files_tells_groups_sizes_and_presence(committed: Path, capsys: Printed) -> None:
    run("ls-files", ["one.safetensors"])
    assert capsys.readouterr().out == (
        "one.safetensors  safetensors  3 groups  18 parameters  72 bytes  objects here\n"
    )
    document = _document("ls-files", printed=capsys)
    assert [row["path"] for row in document["checkpoints"]] == ["one.safetensors", "two.safetensors"]
    assert document["checkpoints"][1]["groups"] == 4
    assert document["checkpoints"][1]["missing_objects"] == 0


def test_paths_are_those_of_the_current_folder(
    repo: Path, git: Git, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "sub").mkdir()
    _save(repo / "sub/m.safetensors")
    git("add", ".")
    monkeypatch.chdir(repo / "sub")
    run("ls-files", ["m.safetensors"])
    assert capsys.readouterr().out.startswith("sub/m.safetensors  safetensors")
    with pytest.raises(NotACheckpoint, match="git theta ls-files"):
        run("ls-files", ["other.safetensors"])


def test_env_tells_versions_configuration_and_environment(
    committed: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_THETA_STRATEGY", "average")
    document = _document("env", printed=capsys)
    assert document["versions"]["git"].startswith("git version")
    assert "filter.theta.process (local .git/config)" in document["configuration"]
    assert document["environment"] == {"GIT_THETA_STRATEGY": "average"}
    run("env", [])
    assert "    GIT_THETA_STRATEGY: average\n" in capsys.readouterr().out


def test_fsck_finds_nothing_in_a_sound_repository(committed: Path, capsys: Printed) -> None:
    assert run("fsck", []) == 0
    assert capsys.readouterr().out == "2 manifests checked, 0 findings\n"


@pytest.mark.parametrize("options", [[], ["--connectivity-only"]])
def test_fsck_finds_missing_objects_of_the_whole_history(
    committed: Path, git: Git, capsys: Printed, options: list[str]
) -> None:
    git("rm", "--quiet", "one.safetensors")
    git("commit", "--quiet", "-m", "gone from HEAD")
    _without_objects(committed)
    assert run("fsck", options) == 1
    out = capsys.readouterr().out
    assert "missing: one.safetensors (" in out
    assert "not here: the values of group a and 2 more" in out


def test_fsck_finds_damaged_objects(committed: Path, capsys: Printed) -> None:
    for file in (committed / ".git/theta/objects").glob("*/*"):
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:-1])
    assert run("fsck", []) == 1
    findings = _document("fsck", printed=capsys)["findings"]
    assert {finding["kind"] for finding in findings} == {"object", "corrupt"}
    assert any(finding["message"].startswith("group ") for finding in findings)
    assert run("fsck", ["--connectivity-only"]) == 0


def test_fsck_finds_damaged_manifests_and_files_added_without_the_filter(
    committed: Path, git: Git, capsys: Printed
) -> None:
    text = git("cat-file", "blob", "HEAD:one.safetensors").replace("F32[2,3]", "F32[3,2]", 1)
    for path, content in (("one.safetensors", text), ("raw.safetensors", "no manifest")):
        oid = git("hash-object", "-w", "--stdin", stdin=content).strip()
        git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
    findings = _document("fsck", printed=capsys)["findings"]
    assert [(finding["kind"], finding["path"]) for finding in findings] == [
        ("manifest", "one.safetensors"),
        ("not-a-manifest", "raw.safetensors"),
    ]


def test_pull_fills_files_once_their_objects_are_here(committed: Path, git: Git, capsys: Printed) -> None:
    before = {path.name: path.read_bytes() for path in committed.glob("*.safetensors")}
    shutil.copytree(committed / ".git/theta/objects", committed.parent / "elsewhere")
    _without_objects(committed)
    git("checkout", "--", ".")
    assert (committed / "one.safetensors").read_text().startswith("theta 1\n")
    with pytest.raises(ObjectsMissing, match=r"one\.safetensors: not here: the values of group a and 2 more"):
        run("pull", [])
    with pytest.raises(ObjectsMissing, match=r"there is no remote to fetch them from"):
        run("fetch", [])
    shutil.copytree(committed.parent / "elsewhere", committed / ".git/theta/objects")
    capsys.readouterr()
    assert run("pull", []) == 0
    assert capsys.readouterr().out == "wrote one.safetensors\nwrote two.safetensors\n"
    assert {path.name: path.read_bytes() for path in committed.glob("*.safetensors")} == before
    assert git("status", "--porcelain") == ""
    assert run("fetch", []) == 0
