from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from theta_cli.commands.add import NoSuchFile
from theta_cli.main import run
from theta_cli.tracking import Claimed
from theta_cli.tracking import NotTrackable

Git = Callable[..., str]
LINE = "filter=theta diff=theta merge=theta -text"


def _attributes(folder: Path) -> bytes:
    return (folder / ".gitattributes").read_bytes()


def test_tracking_writes_one_line(empty_repo: Path) -> None:
    assert run("track", ["*.pt"]) == 0
    assert _attributes(empty_repo) == f"*.pt {LINE}\n".encode()


def test_tracking_twice_changes_nothing(empty_repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("track", ["*.pt"])
    run("track", ["*.pt", "./*.pt"])
    assert _attributes(empty_repo) == f"*.pt {LINE}\n".encode()
    assert "already tracking *.pt" in capsys.readouterr().out


def test_a_newcomer_types_only_track(empty_repo: Path, git: Git, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_repo / "model.pt").write_bytes(b"bytes")
    run("track", ["model.pt"])
    assert capsys.readouterr().out.splitlines() == [
        "tracking model.pt",
        "installed theta in .git/config (local)",
        "next: git add .gitattributes model.pt",
    ]
    git("add", ".gitattributes", "model.pt")
    assert git("cat-file", "blob", ":model.pt").startswith("theta 1\n")


@pytest.mark.parametrize("before", [b"*.txt text\r\n*.md text\r\n", b"*.txt text\n*.md text", b"# nothing\n\n"])
def test_what_is_there_stays_with_its_line_endings(empty_repo: Path, before: bytes) -> None:
    (empty_repo / ".gitattributes").write_bytes(before)
    run("track", ["*.pt"])
    end = b"\r\n" if b"\r\n" in before else b"\n"
    joint = b"" if before.endswith(b"\n") else end
    assert _attributes(empty_repo) == before + joint + f"*.pt {LINE}".encode() + end
    run("untrack", ["*.pt"])
    assert _attributes(empty_repo) == before + joint


@pytest.mark.parametrize(
    "name",
    ["with space.pt", "tab\t.pt", 'quo"te.pt', '"first.pt', "#hash.pt", "!bang.pt", "[a].pt", "star*.pt", "ü.pt"],
)
def test_an_existing_file_is_tracked_whatever_its_name(empty_repo: Path, git: Git, name: str) -> None:
    (empty_repo / name).write_bytes(b"bytes")
    run("track", [name])
    assert git("check-attr", "-z", "filter", "--", name) == f"{name}\0filter\0theta\0"
    assert git("check-attr", "-z", "filter", "--", "a.pt", "stars.pt").count("unspecified") == 2
    run("untrack", [name])
    assert _attributes(empty_repo) == b""


def test_the_attributes_are_those_of_the_current_folder(
    empty_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_repo / "models/small").mkdir(parents=True)
    (empty_repo / "models/small/m.pt").write_bytes(b"bytes")
    monkeypatch.chdir(empty_repo / "models")
    run("track", ["small/m.pt"])
    assert _attributes(empty_repo / "models") == f"small/m.pt {LINE}\n".encode()
    with pytest.raises(NotTrackable, match="outside of this folder"):
        run("track", ["../.git/config"])
    with pytest.raises(NotTrackable, match="outside of this folder"):
        run("track", ["../*.pt"])


@pytest.mark.parametrize("pattern", [".gitattributes", ".gitignore", "*", ".git*", "sub/.gitmodules"])
def test_files_that_git_reads_are_refused(empty_repo: Path, pattern: str) -> None:
    with pytest.raises(NotTrackable, match=r"which git itself reads"):
        run("track", ["*.pt", pattern])
    assert not (empty_repo / ".gitattributes").exists()


def test_a_folder_and_a_negative_pattern_are_refused(empty_repo: Path) -> None:
    (empty_repo / "models").mkdir()
    with pytest.raises(NotTrackable, match=r"models/\*\.pt"):
        run("track", ["models"])
    with pytest.raises(NotTrackable, match=r"later/\*\.pt"):
        run("track", ["later/"])
    with pytest.raises(NotTrackable, match="negative"):
        run("track", ["!x.pt"])


@pytest.mark.parametrize("pattern", ["*.bin", "model.bin", "sub/x.bin"])
def test_a_pattern_of_another_filter_is_an_error_that_names_filter_and_line(empty_repo: Path, pattern: str) -> None:
    (empty_repo / ".gitattributes").write_text("# weights\n*.bin filter=lfs diff=lfs merge=lfs -text\n")
    with pytest.raises(
        Claimed, match=r"filter 'lfs' already \(\.gitattributes:2: \*\.bin filter=lfs .*git lfs untrack"
    ):
        run("track", [pattern])


def test_a_file_that_another_filter_has_is_found_under_any_pattern(empty_repo: Path) -> None:
    (empty_repo / "sub").mkdir()
    (empty_repo / "sub/.gitattributes").write_text("x* filter=annex\n")
    (empty_repo / "sub/x.bin").write_bytes(b"bytes")
    with pytest.raises(Claimed, match=r"sub/x\.bin belongs to filter 'annex' already \(sub/\.gitattributes:1"):
        run("track", ["*.bin"])


def test_what_a_macro_or_a_wider_pattern_tracks_is_tracked_already(
    empty_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"[attr]checkpoint {LINE}\n*.ckpt checkpoint\n"
    (empty_repo / ".gitattributes").write_text(text)
    run("track", ["*.ckpt", "last.ckpt", "runs/*.ckpt"])
    assert capsys.readouterr().out.count("already tracking ") == 3
    assert _attributes(empty_repo) == text.encode()
    run("track", [])
    assert capsys.readouterr().out == "*.ckpt  (.gitattributes:2)\n"


@pytest.mark.parametrize("text", ["*.pt filter=theta\n", ""])
def test_what_colleagues_would_not_have_is_written(empty_repo: Path, git: Git, text: str) -> None:
    """A line that lacks the drivers, or one in the user's own attributes, is not enough."""
    (empty_repo / ".gitattributes").write_text(text)
    (empty_repo / "mine").write_text(f"*.pt {LINE}\n")
    git("config", "core.attributesFile", str(empty_repo / "mine"))
    run("track", ["model.pt"])
    assert _attributes(empty_repo) == f"{text}model.pt {LINE}\n".encode()


def test_a_pattern_that_a_macro_gives_to_git_lfs_names_the_line(empty_repo: Path) -> None:
    (empty_repo / ".gitattributes").write_text("[attr]big filter=lfs\n*.bin big\n*.pt filter=lfs\n")
    with pytest.raises(Claimed, match=r"\.gitattributes:2: \*\.bin big\); first take that out of .*migrate '\*\.bin'"):
        run("track", ["*.bin"])


def test_a_file_committed_before_is_looked_at_again(empty_repo: Path, git: Git) -> None:
    (empty_repo / "model.pt").write_bytes(b"bytes")
    git("add", "model.pt")
    git("commit", "--quiet", "-m", "raw")
    run("track", ["model.pt"])
    git("add", "model.pt")
    assert git("cat-file", "blob", ":model.pt").startswith("theta 1\n")


def test_a_pointer_of_git_lfs_is_told_from_a_checkpoint(repo: Path) -> None:
    """As in a clone where git-lfs left its pointers in the place of files."""
    (repo / "model.pt").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n")
    done = subprocess.run(["git", "add", "model.pt"], capture_output=True, text=True, check=True)
    told = "theta: model.pt: a pointer of git-lfs, not the values; to have those, type: git theta migrate\n"
    assert done.stderr == told


def test_track_alone_lists_every_pattern_and_its_place(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("track", [])
    assert capsys.readouterr().out == "*.pt  (.gitattributes:1)\n*.safetensors  (.gitattributes:2)\n"
    run("track", ["--json"])
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "patterns": [
            {"pattern": "*.pt", "file": ".gitattributes", "line": 1},
            {"pattern": "*.safetensors", "file": ".gitattributes", "line": 2},
        ],
    }


def test_a_pattern_may_be_bound_to_its_folder(empty_repo: Path, git: Git) -> None:
    run("track", ["/*.pt"])
    run("track", ["/*.pt", "/x.pt"])
    assert _attributes(empty_repo) == f"/*.pt {LINE}\n".encode()
    assert git("check-attr", "filter", "x.pt", "sub/x.pt").splitlines() == [
        "x.pt: filter: theta",
        "sub/x.pt: filter: unspecified",
    ]
    run("track", ["*.pt"])
    assert git("check-attr", "filter", "sub/x.pt") == "sub/x.pt: filter: theta\n"


def test_untracking_in_another_folder_tells_where_it_is_tracked(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "sub").mkdir()
    monkeypatch.chdir(repo / "sub")
    run("untrack", ["*.pt"])
    assert capsys.readouterr().out == (
        "*.pt was not tracked here; ../.gitattributes:1 tracks it by *.pt; "
        "for all that this matches: git -C .. theta untrack '*.pt'\n"
    )


def test_untracking_a_file_that_a_pattern_tracks_names_the_pattern(
    repo: Path, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "m.pt").write_bytes(b"")
    before = _attributes(repo)
    run("untrack", ["m.pt"])
    told = ".gitattributes:1 tracks it by *.pt; for all that this matches: git theta untrack '*.pt'\n"
    assert capsys.readouterr().out == f"m.pt was not tracked here; {told}"
    assert _attributes(repo) == before
    (repo / ".gitattributes").write_bytes(before + f"m.pt {LINE}\n".encode())
    run("untrack", ["m.pt"])
    assert capsys.readouterr().out.startswith(f"m.pt is taken out; {told}")
    assert _attributes(repo) == before


def test_untracking_what_only_a_macro_tracks_names_its_line(
    empty_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_repo / ".gitattributes").write_text(f"[attr]checkpoint {LINE}\n*.bin checkpoint\n")
    run("untrack", ["m.bin", "/*.bin"])
    assert capsys.readouterr().out == (
        "m.bin was not tracked here; .gitattributes:2 tracks it by *.bin\n"
        "/*.bin was not tracked here; .gitattributes:2 tracks it by *.bin\n"
    )


def test_untracking_what_is_not_tracked_is_no_error(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _attributes(repo)
    assert run("untrack", ["*.bin"]) == 0
    assert capsys.readouterr().out == "*.bin was not tracked here\n"
    assert _attributes(repo) == before


def test_add_of_a_file_that_is_not_there_tracks_nothing(empty_repo: Path) -> None:
    with pytest.raises(NoSuchFile, match=r"nowhere\.pt: no such file"):
        run("add", ["nowhere.pt"])
    assert not (empty_repo / ".gitattributes").exists()


def test_add_takes_a_pattern_as_git_add_does(empty_repo: Path, git: Git) -> None:
    (empty_repo / "model.pt").write_bytes(b"bytes")
    assert run("add", ["*.pt"]) == 0
    assert git("cat-file", "blob", ":model.pt").startswith("theta 1\n")


def test_a_repository_in_a_folder_with_a_newline_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    (folder / "model.pt").write_bytes(b"bytes")
    assert run("add", ["model.pt"]) == 0
    assert git("cat-file", "blob", ":model.pt").startswith("theta 1\n")


def test_add_tracks_and_adds(empty_repo: Path, git: Git) -> None:
    (empty_repo / "model.pt").write_bytes(b"bytes")
    assert run("add", ["model.pt"]) == 0
    assert git("ls-files") == ".gitattributes\nmodel.pt\n"
    assert git("cat-file", "blob", ":model.pt").startswith("theta 1\n")
    assert run("add", ["model.pt"]) == 0
    assert _attributes(empty_repo) == f"model.pt {LINE}\n".encode()
