"""Every verb, given what it cannot use: one line that names it and says what to type, and never a traceback."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from tests.conftest import Begun
from theta_cli import main
from theta_cli.verbs import summaries

Git = Callable[..., str]

COMMANDS = {
    "install": "install --dry-run",
    "uninstall": "uninstall",
    "track": "track {path}",
    "untrack": "untrack {path}",
    "add": "add {path}",
    "status": "status {path}",
    "diff": "diff {revision} {path}",
    "log": "log {path} --revision {revision}",
    "blame": "blame {path} --revision {revision}",
    "show": "show {revision}:{path}",
    "compare": "compare {path} {revision} {revision}",
    "ls-files": "ls-files {path}",
    "env": "env",
    "merge": "merge {revision}",
    "resolve": "resolve {path}",
    "mergetool": "mergetool {path} {path} {path} {path}",
    "checkout": "checkout --ours {path}",
    "explain": "explain {revision} {path}",
    "strategies": "strategies",
    "push": "push store {revision}",
    "fetch": "fetch --rev {revision} {path}",
    "pull": "pull {path}",
    "remote": "remote",
    "fsck": "fsck",
    "repack": "repack {path}",
    "gc": "gc",
    "migrate": "migrate {path}",
    "export": "export {path}",
}
PATHS = [verb for verb, command in COMMANDS.items() if "{path}" in command]
REVISIONS = [verb for verb, command in COMMANDS.items() if "{revision}" in command]
HAS = "model.safetensors"


@dataclass(frozen=True)
class Told:
    """How a verb ended."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it did nothing; then the message must be one line of ours, with something to type in it."""
        assert self.code in (0, 1), self.err
        assert "Traceback" not in self.err
        assert "Errno" not in self.err
        assert "fatal: " not in self.err
        if self.code and self.err:
            assert re.fullmatch(r"theta: .+\n", self.err), self.err
            assert re.search(r"(git|theta-diff) \S|see `git|is outside of this folder", self.err), self.err
        return bool(self.code)


Told_ = Callable[..., Told]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Told_:
    """``told("log", path="x")`` is how ``git theta log`` ends, run in this process."""

    def run(verb: str, path: str = HAS, revision: str = "HEAD") -> Told:
        words = COMMANDS[verb].format(path=path, revision=revision)
        monkeypatch.setattr(sys, "argv", ["git-theta", *shlex.split(words)])
        capfd.readouterr()
        code = main.main()
        return Told(code, *capfd.readouterr())

    return run


@pytest.fixture
def committed(begun: Begun, git: Git, tmp_path: Path) -> None:
    """A repository with one checkpoint, beside a folder with another and a file that is none, and a remote."""
    begun("models and notes", lambda: commit(git))
    git("config", "theta.remote.store.url", (tmp_path / "store").as_uri())


def commit(git: Git) -> None:
    Path("inside").mkdir()
    for path in (HAS, "inside/other.safetensors"):
        save_file({"weight": numpy.ones((4, 4), numpy.float32)}, path)
    Path("notes.txt").write_text("no checkpoint")
    git("add", "--all")
    git("commit", "--quiet", "-m", "a model")


def test_no_verb_is_left_out() -> None:
    assert COMMANDS.keys() == summaries().keys()


@pytest.mark.parametrize("verb", COMMANDS)
def test_no_repository(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told_) -> None:
    monkeypatch.chdir(tmp_path)
    done = told(verb)
    if verb in ("install", "uninstall", "env", "strategies"):
        assert not done.refused
    else:
        assert done.refused
        assert f"{tmp_path} is not inside a git repository; begin with: git init" in done.err


@pytest.mark.parametrize("verb", COMMANDS)
def test_no_commit_yet(verb: str, repo: Path, told: Told_) -> None:
    done = told(verb)
    assert done.refused is (verb in {*PATHS, *REVISIONS} - {"track", "untrack"})
    if verb in REVISIONS:
        assert "HEAD has no commit yet" in done.err


@pytest.mark.parametrize("verb", REVISIONS)
def test_a_revision_that_names_nothing(verb: str, committed: None, told: Told_) -> None:
    done = told(verb, revision="nonesuch")
    assert done.refused
    assert "'nonesuch'" in done.err
    assert "git log --all --oneline" in done.err


@pytest.mark.parametrize("verb", PATHS)
def test_a_path_that_does_not_exist(verb: str, committed: None, told: Told_) -> None:
    done = told(verb, path="gone.safetensors")
    assert done.refused is (verb not in ("track", "untrack"))
    if done.refused and verb != "explain":
        assert "gone.safetensors" in done.err


@pytest.mark.parametrize("verb", PATHS)
def test_a_path_outside_of_the_repository(verb: str, committed: None, told: Told_) -> None:
    save_file({"weight": numpy.ones(2, numpy.float32)}, "../outside.safetensors")
    done = told(verb, path="../outside.safetensors")
    assert done.refused
    if verb != "explain":
        assert "../outside.safetensors" in done.err


@pytest.mark.parametrize("verb", sorted({*PATHS} - {"track", "untrack", "add", "diff"}))
def test_a_file_that_git_does_not_know(verb: str, committed: None, told: Told_) -> None:
    save_file({"weight": numpy.ones(2, numpy.float32)}, "new.safetensors")
    assert told(verb, path="new.safetensors").refused


@pytest.mark.parametrize("verb", PATHS)
def test_a_folder(verb: str, committed: None, told: Told_) -> None:
    done = told(verb, path="inside")
    assert done.refused is (verb not in ("status", "diff", "ls-files", "fetch", "pull", "repack"))


@pytest.mark.parametrize("verb", ["log", "blame", "compare"])
def test_a_file_that_is_no_checkpoint(verb: str, committed: None, told: Told_) -> None:
    done = told(verb, path="notes.txt")
    assert done.refused
    assert "notes.txt is no checkpoint" in done.err


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_detached_head_is_no_obstacle(verb: str, committed: None, git: Git, told: Told_) -> None:
    git("checkout", "--quiet", "--detach")
    done = told(verb)
    assert done.refused is (verb in ("resolve", "mergetool", "checkout", "explain"))


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_bare_repository(verb: str, committed: None, git: Git, monkeypatch: pytest.MonkeyPatch, told: Told_) -> None:
    git("clone", "--quiet", "--bare", ".", "../bare.git")
    monkeypatch.chdir("../bare.git")
    done = told(verb)
    if done.refused and verb not in ("push", "fetch", "explain", "fsck"):
        assert "bare.git has no working tree; type this in a clone that has one" in done.err


@pytest.mark.parametrize("verb", ["push", "fetch"])
def test_a_remote_that_does_not_exist(
    verb: str, committed: None, monkeypatch: pytest.MonkeyPatch, told: Told_, git: Git
) -> None:
    monkeypatch.setitem(COMMANDS, "push", "push nowhere")
    monkeypatch.setitem(COMMANDS, "fetch", "fetch --remote nowhere")
    for path in Path(".git/theta/objects").rglob("*") if verb == "fetch" else ():
        if path.is_file():
            path.unlink()
    done = told(verb)
    assert "there is no remote 'nowhere'; to list them, type: git theta remote" in done.err


def test_control_characters_are_not_sent_to_the_terminal(committed: None, told: Told_) -> None:
    assert told("log", path="'x\x1b[31m'").err.count("\x1b") == 0
