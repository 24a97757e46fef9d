from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from theta_git import trees
from theta_git.repository import Repository
from theta_git.trees import Entry

Git = Callable[..., str]


def _blob(git: Git, content: str) -> str:
    return git("hash-object", "-w", "--stdin", stdin=content).strip()


def test_the_index_and_a_commit_list_regular_files_with_any_name(empty_repo: Path, git: Git) -> None:
    names = ["a.txt", "tab\t.txt", "line\nbreak", "sub/ü.txt"]
    (empty_repo / "sub").mkdir()
    for name in names:
        (empty_repo / name).write_text("text")
    (empty_repo / "link").symlink_to("a.txt")
    git("add", ".")
    oid = _blob(git, "text")
    assert sorted(trees.index_entries(Repository()), key=lambda entry: entry.path) == [
        Entry(name, oid) for name in sorted(names)
    ]
    assert trees.commit_entries(Repository(), "HEAD") == []
    git("commit", "--quiet", "-m", "all")
    assert {entry.path for entry in trees.commit_entries(Repository(empty_repo / "sub"), "HEAD")} == set(names)


def test_an_unmerged_file_has_an_entry_for_each_stage(empty_repo: Path, git: Git) -> None:
    oids = [_blob(git, text) for text in ("base", "ours", "theirs")]
    lines = "".join(f"100644 {oid} {stage}\tfile\n" for stage, oid in enumerate(oids, start=1))
    git("update-index", "--index-info", stdin=lines)
    assert trees.index_entries(Repository()) == [Entry("file", oid, stage) for stage, oid in enumerate(oids, start=1)]


def test_reachable_are_the_blobs_of_branches_reflogs_stashes_and_the_index(empty_repo: Path, git: Git) -> None:
    def commit(content: str) -> str:
        (empty_repo / "file").write_text(content)
        git("add", "file")
        git("commit", "--quiet", "-m", content)
        return _blob(git, content)

    kept = {commit("base"), commit("reset away")}
    git("reset", "--quiet", "--hard", "HEAD~1")
    (empty_repo / "file").write_text("stashed")
    git("stash", "--quiet")
    (empty_repo / "file").write_text("only staged")
    git("add", "file")
    kept |= {_blob(git, "stashed"), _blob(git, "only staged")}
    loose = _blob(git, "nobody holds this")
    assert trees.reachable_blobs(Repository()) == dict.fromkeys(kept, "file")
    assert loose not in trees.reachable_blobs(Repository())


def test_an_empty_repository_holds_nothing(empty_repo: Path) -> None:
    assert trees.reachable_blobs(Repository()) == {}


def test_only_blobs_with_the_right_beginning_are_read(empty_repo: Path, git: Git) -> None:
    contents = ["theta 1\nmore", "theta 1\n", "theta", "", "other " * 1000, "theta 1\nlast"]
    oids = [_blob(git, content) for content in contents]
    found = list(trees.blobs_beginning(Repository(), [*oids, "0" * 40], b"theta 1\n"))
    assert found == [(oids[i], contents[i].encode()) for i in (0, 1, 5)]
