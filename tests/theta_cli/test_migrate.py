"""migrate and export: coming from git-lfs and plain files, and going back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clones import save
from theta_cli.conversion import LfsObjectMissing
from theta_cli.conversion import attributes_text
from theta_cli.fetching import ObjectsMissing
from theta_cli.main import run
from theta_cli.migration import NothingMatches
from theta_git import history
from theta_git.history import NotClean
from theta_git.repository import Repository

Git = Callable[..., str]


@pytest.fixture
def plain(empty_repo: Path, git: Git) -> Path:
    """Three commits with a checkpoint as a plain file, the last one on a branch; and another file."""
    (empty_repo / "read me").write_text("hello\n")
    for number, message in enumerate(("one", "two")):
        save(empty_repo / "m.safetensors", a=float(number))
        git("add", ".")
        git("commit", "--quiet", "-m", message)
    git("tag", "-a", "v1", "-m", "first release")
    git("switch", "--quiet", "-c", "side")
    save(empty_repo / "m.safetensors", b=9.0)
    git("commit", "--quiet", "-a", "-m", "three")
    return empty_repo


@pytest.fixture
def lfs(empty_repo: Path, git: Git) -> Path:
    """Two commits with a checkpoint of git-lfs."""
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    git("lfs", "install", "--local", "--skip-repo")
    (empty_repo / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.txt text\n")
    for number in range(2):
        save(empty_repo / "m.safetensors", a=float(number))
        git("add", ".")
        git("commit", "--quiet", "-m", f"number {number}")
    return empty_repo


def _blob(git: Git, name: str) -> str:
    return git("cat-file", "blob", name)


def _checked_out(git: Git, folder: Path, rev: str) -> bytes:
    git("checkout", "--quiet", rev)
    return (folder / "m.safetensors").read_bytes()


def test_plain_files_in_a_new_commit(plain: Path, git: Git) -> None:
    before = (plain / "m.safetensors").read_bytes()
    assert run("migrate", ["*.safetensors"]) == 0
    assert _blob(git, "HEAD:m.safetensors").startswith("theta 1\n")
    assert not _blob(git, "HEAD:.gitattributes").startswith("theta 1\n")
    assert git("status", "--porcelain") == ""
    (plain / "m.safetensors").unlink()
    git("checkout", "--", "m.safetensors")
    assert (plain / "m.safetensors").read_bytes() == before
    assert git("log", "-1", "--format=%s") == "Track *.safetensors with theta\n"


def test_a_second_time_there_is_nothing_to_convert(plain: Path, git: Git, capsys: pytest.CaptureFixture[str]) -> None:
    run("migrate", ["*.safetensors"])
    commit = git("rev-parse", "HEAD")
    capsys.readouterr()
    assert run("migrate", ["*.safetensors"]) == 0
    assert capsys.readouterr().out == "nothing to convert: all matching files were converted before\n"
    assert git("rev-parse", "HEAD") == commit
    with pytest.raises(NothingMatches, match=r"no file matches \*\.pt"):
        run("migrate", ["*.pt"])


def test_the_whole_history(plain: Path, git: Git) -> None:
    revs = {"main~": "main~", "main": "main", "side": "side", "v1": "v1"}
    before = {rev: _checked_out(git, plain, rev) for rev in revs}
    git("checkout", "--quiet", "side")
    log = git("log", "--branches", "--tags", "--format=%an %ad %s")
    git("notes", "add", "-m", "the best so far", "main")
    git("notes", "--ref=scores", "add", "-m", "0.9", "side")
    assert run("migrate", ["--everything", "*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""
    for rev in revs:
        assert _blob(git, f"{rev}:m.safetensors").startswith("theta 1\n")
        assert _checked_out(git, plain, rev) == before[rev]
    assert git("log", "--branches", "--tags", "--format=%an %ad %s") == log
    assert git("notes", "show", "main") == "the best so far\n"
    assert git("notes", "--ref=scores", "show", "side") == "0.9\n"
    assert git("cat-file", "-p", "v1").endswith("first release\n")
    assert _blob(git, "side:read me") == "hello\n"
    for name in ("heads/main", "heads/side"):
        size = int(git("cat-file", "-s", f"refs/original/theta/{name}:m.safetensors"))
        assert size == len(before[name.removeprefix("heads/")])


def test_files_of_git_lfs_and_back(lfs: Path, git: Git) -> None:
    before = {rev: _blob(git, f"{rev}:m.safetensors") for rev in ("main~", "main")}
    content = (lfs / "m.safetensors").read_bytes()
    run("migrate", ["--everything", "*.safetensors"])
    assert "filter=lfs" not in _blob(git, "main~:.gitattributes")
    assert _blob(git, "main~:m.safetensors").startswith("theta 1\n")
    assert (lfs / "m.safetensors").read_bytes() == content
    shutil.rmtree(lfs / ".git/lfs")
    run("export", ["--everything", "*.safetensors"])
    assert {rev: _blob(git, f"{rev}:m.safetensors") for rev in ("main~", "main")} == before
    assert "filter=theta" not in _blob(git, "main~:.gitattributes")
    assert _checked_out(git, lfs, "main~") != content
    assert _checked_out(git, lfs, "main") == content


def test_back_to_plain_files_in_a_new_commit(plain: Path, git: Git) -> None:
    before = git("rev-parse", "HEAD:m.safetensors")
    run("migrate", ["*.safetensors"])
    run("export", ["--to", "plain", "*.safetensors"])
    assert git("rev-parse", "HEAD:m.safetensors") == before
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("options", [[], ["--everything"]])
def test_back_to_plain_files_by_another_pattern_than_they_were_tracked_by(
    options: list[str], plain: Path, git: Git
) -> None:
    before = git("rev-parse", "HEAD:m.safetensors")
    run("migrate", [*options, "m.safetensors"])
    run("export", [*options, "--to", "plain", "*.safetensors"])
    assert git("rev-parse", "HEAD:m.safetensors") == before
    (plain / "m.safetensors").touch()
    assert git("status", "--porcelain") == ""
    assert git("check-attr", "filter", "m.safetensors") == "m.safetensors: filter: unspecified\n"


@pytest.mark.parametrize("options", [[], ["--everything"]])
def test_attributes_in_a_folder_that_would_win_follow(options: list[str], lfs: Path, git: Git) -> None:
    (lfs / "a folder").mkdir()
    (lfs / "a folder/.gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.csv text\n")
    content = save(lfs / "a folder/n.safetensors", a=5.0)
    git("add", ".")
    git("commit", "--quiet", "-m", "folder")
    run("migrate", [*options, "*.safetensors"])
    assert (lfs / "a folder/.gitattributes").read_text() == (
        "*.csv text\n*.safetensors filter=theta diff=theta merge=theta -text\n"
    )
    (lfs / "a folder/n.safetensors").unlink()
    git("checkout", "--", "a folder/n.safetensors")
    assert (lfs / "a folder/n.safetensors").read_bytes() == content
    run("export", [*options, "--to", "plain", "*.safetensors"])
    assert git("status", "--porcelain") == ""
    assert (lfs / "a folder/.gitattributes").read_text() == "*.csv text\n"


def test_attributes_in_a_folder_that_were_changed_since_stay(killed: Path, git: Git) -> None:
    (killed / "below").mkdir()
    (killed / "below/.gitattributes").write_text("*.csv text\n")
    assert run("migrate", ["*.safetensors"]) == 0
    assert (killed / "below/.gitattributes").read_text() == "*.csv text\n"


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("models/*.pt", ["models/a.pt"]),
        ("/*.pt", ["a.pt"]),
        ("**/*.pt", ["a.pt", "models/a.pt", "models/old/a.pt"]),
        ("models/**", ["models/a.pt", "models/old/a.pt"]),
    ],
)
def test_a_pattern_means_the_files_that_it_means_to_git(pattern: str, meant: list[str], empty_repo: Path) -> None:
    for number, name in enumerate(("a.pt", "models/a.pt", "models/old/a.pt")):
        Path(name).parent.mkdir(exist_ok=True)
        save(Path(name), a=float(number))
    git = Repository()
    git.output("add", ".")
    git.output("commit", "--quiet", "-m", "plain")
    run("migrate", [pattern])
    assert [path for path in ("a.pt", "models/a.pt", "models/old/a.pt") if _is_manifest(git, path)] == meant
    for path in meant:
        Path(path).unlink()
    git.output("checkout", "--", ".")
    assert git.output("status", "--porcelain") == b""


def _is_manifest(git: Repository, path: str) -> bool:
    return (git.blob(f"HEAD:{path}") or b"").startswith(b"theta 1\n")


def test_tags_of_tags_stay_what_they_are(plain: Path, git: Git) -> None:
    git("tag", "-a", "v1-approved", "-m", "approved", "v1")
    run("migrate", ["--everything", "*.safetensors"])
    assert git("rev-parse", "v1-approved^{}") == git("rev-parse", "v1^{}")
    assert _blob(git, "v1-approved:m.safetensors").startswith("theta 1\n")
    assert "type tag\n" in git("cat-file", "-p", "v1-approved")


def test_files_that_hold_pointers_are_written(lfs: Path, git: Git) -> None:
    content = (lfs / "m.safetensors").read_bytes()
    (lfs / "m.safetensors").write_text(_blob(git, "HEAD:m.safetensors"))
    git("add", "m.safetensors")
    assert run("migrate", ["*.safetensors"]) == 0
    assert (lfs / "m.safetensors").read_bytes() == content
    assert git("status", "--porcelain") == ""


def test_git_lfs_may_keep_its_files_elsewhere(lfs: Path, git: Git, tmp_path: Path) -> None:
    (lfs / ".git/lfs").rename(tmp_path / "storage")
    git("config", "lfs.storage", str(tmp_path / "storage"))
    before = _blob(git, "HEAD:m.safetensors")
    assert run("migrate", ["*.safetensors"]) == 0
    shutil.rmtree(tmp_path / "storage")
    assert run("export", ["*.safetensors"]) == 0
    assert _blob(git, "HEAD:m.safetensors") == before
    assert not (lfs / ".git/lfs/objects").exists()
    assert list((tmp_path / "storage/objects").glob("*/*/*"))


def test_a_file_of_git_lfs_that_is_not_here_stops_it_and_leaves_nothing_behind(
    lfs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(lfs / ".git/lfs/objects")
    with pytest.raises(LfsObjectMissing, match=r"m\.safetensors: .* git lfs fetch --all"):
        run("migrate", ["--everything", "*.safetensors"])
    assert capfd.readouterr().err == ""
    assert not list((lfs / ".git").glob("*crash*"))


def test_values_that_are_not_here_stop_an_export(plain: Path) -> None:
    run("migrate", ["--everything", "*.safetensors"])
    shutil.rmtree(plain / ".git/theta/objects")
    with pytest.raises(ObjectsMissing, match=r"m\.safetensors \(\w+\): not here: the values of group a"):
        run("export", ["--everything", "--to", "plain", "*.safetensors"])


def test_a_shallow_clone_cannot_rewrite_history(
    plain: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("clone", "--quiet", "--depth=1", plain.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    head = git("rev-parse", "HEAD")
    with pytest.raises(NotClean, match="git fetch --unshallow"):
        run("migrate", ["--everything", "*.safetensors"])
    assert git("rev-parse", "HEAD") == head


def test_a_worktree_with_a_branch_stops_a_rewriting(plain: Path, git: Git, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", str(tmp_path / "a tree"), "main")
    with pytest.raises(NotClean, match=r"a tree' would not follow its branch; first: git -C .* switch --detach"):
        run("migrate", ["--everything", "*.safetensors"])
    git("-C", str(tmp_path / "a tree"), "switch", "--quiet", "--detach")
    assert run("migrate", ["--everything", "*.safetensors"]) == 0
    git("-C", str(tmp_path / "a tree"), "switch", "--quiet", "main")
    assert git("-C", str(tmp_path / "a tree"), "status", "--porcelain") == ""


def test_uncommitted_changes_stop_it(plain: Path, git: Git) -> None:
    save(plain / "m.safetensors", a=77.0)
    for options in ([], ["--everything"]):
        with pytest.raises(NotClean, match="commit them first"):
            run("migrate", [*options, "*.safetensors"])


def test_signatures_are_dropped_and_that_is_said(
    plain: Path, git: Git, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    git("config", "gpg.format", "ssh")
    git("config", "user.signingKey", str(tmp_path / "key"))
    git("commit", "--quiet", "--allow-empty", "-S", "-m", "signed")
    git("tag", "-s", "v2", "-m", "signed too")
    capsys.readouterr()
    run("migrate", ["--everything", "*.safetensors"])
    assert "1 signed commit and 1 signed tag lost their signatures" in capsys.readouterr().out
    for name in ("side", "v2"):
        assert "SIGNATURE" not in git("cat-file", "-p", name)
    for name in ("heads/side", "tags/v2"):
        assert "SIGNATURE" in git("cat-file", "-p", f"refs/original/theta/{name}")
    run("export", ["--everything", "*.safetensors"])
    assert "signatures" not in capsys.readouterr().out
    assert git("cat-file", "-p", "v2").endswith("\n\nsigned too\n")


class Killed(BaseException):
    """What no handler takes for a failure."""


def kill(*_: object) -> None:
    raise Killed


@pytest.fixture
def killed(plain: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which the refs were rewritten and nothing has followed: a kill between two steps."""
    with monkeypatch.context() as patched:
        patched.setattr(history, "_follow", kill)
        patched.setattr(Path, "unlink", kill)
        with pytest.raises(Killed):
            run("migrate", ["*.safetensors"])
    assert _blob(git, "HEAD:m.safetensors").startswith("theta 1\n")
    assert not git("ls-files", ".gitattributes")
    return plain


def test_what_is_staged_after_a_kill_is_still_staged(killed: Path, git: Git) -> None:
    (killed / "read me").write_text("good day\n")
    (killed / "new").write_text("new\n")
    git("add", "read me", "new")
    with pytest.raises(NotClean, match="commit them first"):
        run("migrate", ["*.safetensors"])
    assert git("diff", "--cached", "--name-only") == "new\nread me\n"
    assert git("show", ":read me") == "good day\n"
    git("commit", "--quiet", "-m", "more")
    assert run("migrate", ["*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""
    assert git("show", "HEAD:read me") == "good day\n"
    assert _blob(git, "HEAD:m.safetensors").startswith("theta 1\n")


def test_a_checkpoint_that_is_staged_after_a_kill_stops_it(killed: Path, git: Git) -> None:
    content = save(killed / "m.safetensors", a=42.0)
    git("add", "m.safetensors")
    staged = git("rev-parse", ":m.safetensors")
    with pytest.raises(NotClean, match=r"m\.safetensors was staged after .* git commit, and then the same command"):
        run("migrate", ["*.safetensors"])
    assert git("rev-parse", ":m.safetensors") == staged
    git("commit", "--quiet", "-m", "better")
    assert run("migrate", ["*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""
    assert _checked_out(git, killed, "HEAD") == content


def test_attributes_written_after_a_kill_stay(killed: Path, git: Git) -> None:
    (killed / ".gitattributes").write_text("*.csv text\n")
    with pytest.raises(NotClean):
        run("migrate", ["*.safetensors"])
    assert (killed / ".gitattributes").read_text() == "*.csv text\n"


def test_attributes_are_written_whole_or_not_at_all(killed: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", kill)
        with pytest.raises(Killed):
            run("migrate", ["*.safetensors"])
    assert not (killed / ".gitattributes").exists()
    assert run("migrate", ["*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""


def test_all_follows_after_a_kill_where_nothing_was_changed(killed: Path, git: Git) -> None:
    content = (killed / "m.safetensors").read_bytes()
    assert run("migrate", ["*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""
    assert git("check-attr", "filter", "m.safetensors") == "m.safetensors: filter: theta\n"
    assert _checked_out(git, killed, "HEAD") == content


@pytest.mark.parametrize("step", ["_copy_notes", "_follow", "_rewritten"])
def test_an_interrupted_rewriting_is_continued_by_the_same_command(
    plain: Path, git: Git, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("notes", "add", "-m", "the best so far", "main")
    before = git("rev-parse", "main", "side")
    done = getattr(history, step)

    def interrupted(*arguments: object) -> None:
        if step == "_rewritten":
            done(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(history, step, interrupted)
        with pytest.raises(KeyboardInterrupt, match="to go on, type the same command again"):
            run("migrate", ["--everything", "*.safetensors"])
    assert run("migrate", ["--everything", "*.safetensors"]) == 0
    assert git("status", "--porcelain") == ""
    assert git("notes", "show", "main") == "the best so far\n"
    assert git("rev-parse", "refs/original/theta/heads/main", "refs/original/theta/heads/side") == before
    assert not list((plain / ".git/theta").glob("rewriting*"))


def test_an_interrupt_before_the_refs_change_leaves_nothing(
    plain: Path, git: Git, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = git("for-each-ref", "refs/heads", "refs/tags")

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(history, "_filtered", interrupted)
        with pytest.raises(KeyboardInterrupt) as stop:
            run("migrate", ["--everything", "*.safetensors"])
    assert stop.value.args == ()
    assert git("for-each-ref", "refs/heads", "refs/tags") == before
    assert git("status", "--porcelain") == ""
    assert not list((plain / ".git/theta").glob("rewriting*"))


@pytest.mark.parametrize("text", [b"\xff\0", b"--help", b"0" * 40])
def test_a_damaged_mark_is_named(killed: Path, text: bytes) -> None:
    (killed / ".git/theta/rewriting").write_bytes(text)
    with pytest.raises(NotClean, match=r"theta/rewriting is damaged, .* delete that file"):
        run("migrate", ["*.safetensors"])


def test_what_is_committed_after_a_kill_is_kept_too(plain: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(history, "_filtered", kill)
        patched.setattr(history, "_forget", kill)
        with pytest.raises(Killed):
            run("migrate", ["--everything", "*.safetensors"])
    assert (plain / ".git/theta/rewriting").exists()
    git("commit", "--quiet", "--allow-empty", "-m", "new")
    latest = git("rev-parse", "main")
    assert run("migrate", ["--everything", "*.safetensors"]) == 0
    assert git("rev-parse", "refs/original/theta/heads/main") == latest


def test_attributes_of_other_patterns_stay() -> None:
    text = "*.txt text\n*.pt filter=lfs -text\n*.pt linguist-generated\n"
    assert attributes_text(text, ["*.pt"], "filter=theta") == "*.txt text\n*.pt linguist-generated\n*.pt filter=theta\n"
    assert attributes_text(text, ["*.pt"], None) == "*.txt text\n*.pt linguist-generated\n"
