from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

import theta_cli.commands
from theta_checkpoint.failure import Failure
from theta_cli import __version__
from theta_cli import main
from theta_cli.verbs import PLUMBING
from theta_cli.verbs import module_of
from theta_cli.verbs import summaries

Git = Callable[..., str]


def _git_theta(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "theta", *arguments], input=stdin.decode(), capture_output=True, text=True, check=False
    )


def test_every_verb_has_a_module_and_every_module_a_verb() -> None:
    folder = Path(theta_cli.commands.__path__[0])
    modules = {f"theta_cli.commands.{file.stem}" for file in folder.glob("*.py") if file.stem != "__init__"}
    assert modules == {module_of(verb) for verb in summaries()}


@pytest.mark.parametrize("verb", summaries())
def test_every_verb_has_help_that_begins_with_its_summary(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.run(verb, ["-h"])
    assert end.value.code == 0
    assert summaries()[verb].split()[-1] in capsys.readouterr().out


@pytest.mark.parametrize("verb", PLUMBING)
def test_what_git_runs_exists(verb: str) -> None:
    assert find_spec(PLUMBING[verb][0])


def test_the_version_is_printed_as_git_prints_its_own() -> None:
    assert _git_theta("--version").stdout == f"git-theta version {__version__}\n"


def test_help_lists_every_verb_with_one_line() -> None:
    lines = _git_theta("-h").stdout.splitlines()
    for verb, summary in summaries().items():
        assert any(line.split(maxsplit=1) == [verb, summary] for line in lines)


def test_help_may_be_asked_for_as_of_git() -> None:
    assert _git_theta("help").stdout == _git_theta("-h").stdout
    assert _git_theta("help", "track").stdout == _git_theta("track", "-h").stdout


def test_no_verb_at_all_is_wrong_usage() -> None:
    done = _git_theta()
    assert done.returncode == 2
    assert done.stderr.startswith("usage: git theta")


def test_an_unknown_verb_names_its_neighbours() -> None:
    done = _git_theta("trak")
    assert done.returncode == 2
    assert done.stderr.startswith("theta: there is no verb 'trak'; did you mean track or ")


def test_wrong_arguments_are_wrong_usage(repo: Path) -> None:
    assert _git_theta("track", "--no-such-option").returncode == 2


@pytest.mark.parametrize(
    "arguments", [["track", "x.pt"], ["status"], ["ls-files"], ["pull"], ["resolve"], ["fsck"], ["diff"], ["push"]]
)
def test_outside_of_a_repository_a_verb_says_what_to_type(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = _git_theta(*arguments)
    assert done.returncode == 1
    assert done.stderr == f"theta: {tmp_path} is not inside a git repository; begin with: git init\n"


def test_a_bare_repository_is_no_place_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--bare")
    assert "has no working tree" in _git_theta("status").stderr


def test_what_follows_two_dashes_is_never_an_option(repo: Path) -> None:
    (repo / "-x.pt").write_bytes(b"bytes")
    assert _git_theta("add", "--", "-x.pt").returncode == 0
    assert _git_theta("ls-files", "--json", "--", "-x.pt").returncode == 0


def test_the_repository_may_be_named_from_a_folder_below(repo: Path, git: Git) -> None:
    (repo / "model.pt").write_bytes(b"bytes")
    git("add", ".")
    (repo / "sub").mkdir()
    where = ["-C", "sub", "--git-dir=../.git", "--work-tree=.."]
    assert git(*where, "theta", "status") == "model.pt\n    staged:     1 group added\n"


def test_any_name_can_be_printed_to_any_terminal(repo: Path, git: Git) -> None:
    (repo / "\u00fc\udcff.pt").write_bytes(b"bytes")
    git("add", ".")
    for encoding, shown in {"ascii": '"\\xfc\\377.pt"', "utf-8": '"\u00fc\\377.pt"'}.items():
        environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
        done = subprocess.run(["git", "theta", "ls-files"], env=environment, capture_output=True, check=True)
        assert done.stdout.decode().startswith(f"{shown}  opaque")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Failure("what to type next"), 1, "theta: what to type next\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "theta: x: permission denied\n"),
        (KeyboardInterrupt(), 130, ""),
        (KeyboardInterrupt("half done"), 130, "theta: half done\n"),
        (ZeroDivisionError("a bug"), 3, "theta: unexpected ZeroDivisionError"),
    ],
)
def test_how_a_verb_ends(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(main, "import_module", lambda name: SimpleNamespace(configure=lambda parser: None, run=fail))
    monkeypatch.setattr(sys, "argv", ["git-theta", "status"])
    assert main.main() == code
    assert text in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(repo: Path) -> None:
    done = subprocess.run("git theta env | head -n 0; echo ${PIPESTATUS[0]}", shell=True, executable="/bin/bash",
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stderr == ""


def test_only_the_verb_asked_for_is_imported() -> None:
    program = "import sys, theta_cli.main; sys.argv = ['git-theta', '--version']; theta_cli.main.main(); "
    program += "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'torch', 'argparse', 'theta_store')])"
    done = subprocess.run([sys.executable, "-E", "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


@pytest.mark.parametrize("verb", ["install", "track", "status", "ls-files", "fsck", "pull"])
def test_no_everyday_verb_imports_torch_or_numpy(verb: str) -> None:
    program = (
        f"import sys, {module_of(verb)}; print([m for m in sys.modules if m in ('numpy', 'torch', 'tensorstore')])"
    )
    done = subprocess.run([sys.executable, "-E", "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
