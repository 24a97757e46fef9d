from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from theta_cli import drivers
from theta_cli.installation import ForeignValue
from theta_cli.main import run
from theta_git.configuration import settings
from theta_git.repository import Repository

Git = Callable[..., str]


def _installed(git: Git) -> dict[str, str]:
    entries = git("config", "--null", "--get-regexp", r"^(filter|diff|merge|mergetool)\.theta\.").split("\0")[:-1]
    return {key: value for key, _, value in (entry.partition("\n") for entry in entries)}


def test_every_key_is_written_to_the_repository(empty_repo: Path, git: Git, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("install", []) == 0
    assert _installed(git) == drivers.wanted(drivers.interpreter())
    assert "installed theta in .git/config (local)" in capsys.readouterr().out


def test_outside_of_a_repository_it_is_written_for_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("install", []) == 0
    assert f"{os.environ['HOME']}/.gitconfig (global)" in capsys.readouterr().out


def test_installing_twice_changes_nothing(empty_repo: Path) -> None:
    run("install", [])
    before = (empty_repo / ".git/config").read_bytes()
    run("install", [])
    assert (empty_repo / ".git/config").read_bytes() == before


def test_a_dry_run_writes_nothing(empty_repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (empty_repo / ".git/config").read_bytes()
    assert run("install", ["--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would set (local) filter.theta.process" in told
    assert "would install the pre-push hook" in told
    assert (empty_repo / ".git/config").read_bytes() == before
    run("install", [])
    capsys.readouterr()
    run("install", ["--dry-run"])
    assert capsys.readouterr().out == "theta is already installed (local)\n"


def test_values_with_another_interpreter_are_upgraded(empty_repo: Path, git: Git) -> None:
    for key, value in drivers.wanted("/old/bin/python").items():
        git("config", key, value)
    assert run("install", []) == 0
    assert _installed(git) == drivers.wanted(drivers.interpreter())


def test_a_foreign_value_is_named_and_kept(empty_repo: Path, git: Git) -> None:
    git("config", "filter.theta.clean", "git-theta-filter clean %f")
    with pytest.raises(ForeignValue, match=r"filter\.theta\.clean in \.git/config is 'git-theta-filter clean %f'"):
        run("install", [])
    assert _installed(git) == {"filter.theta.clean": "git-theta-filter clean %f"}


def test_a_foreign_value_gives_way_to_force(empty_repo: Path, git: Git) -> None:
    git("config", "filter.theta.clean", "git-theta-filter clean %f")
    run("install", ["--force"])
    assert _installed(git) == drivers.wanted(drivers.interpreter())


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_the_lfs_section_is_written_where_it_is_missing(empty_repo: Path, git: Git) -> None:
    run("install", [])
    assert git("config", "--local", "filter.lfs.process") == "git-lfs filter-process\n"
    hook = empty_repo / ".git/hooks/pre-push"
    assert not hook.exists() or "git lfs" not in hook.read_text()


def test_an_lfs_section_of_any_scope_is_left_alone(empty_repo: Path, git: Git) -> None:
    git("config", "--global", "filter.lfs.process", "my own")
    run("install", [])
    assert git("config", "--get-all", "filter.lfs.process") == "my own\n"


def test_uninstall_leaves_no_trace(empty_repo: Path, git: Git) -> None:
    git("config", "--global", "filter.lfs.process", "git-lfs filter-process")
    before = git("config", "--local", "--list")
    run("install", [])
    assert run("uninstall", []) == 0
    assert git("config", "--local", "--list") == before


def test_uninstall_tells_what_becomes_of_files_that_are_still_tracked(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("uninstall", [])
    told = capsys.readouterr().err
    assert ".gitattributes still names checkpoints: git adds them as they are" in told
    assert "type: git theta export" in told


def test_merges_of_several_branches_are_ours_unless_another_way_was_chosen(empty_repo: Path, git: Git) -> None:
    git("config", "pull.octopus", "octopus")
    run("install", [])
    assert git("config", "pull.octopus") == "octopus\n"
    run("uninstall", [])
    assert git("config", "pull.octopus") == "octopus\n"
    git("config", "--unset", "pull.octopus")
    run("install", [])
    assert git("config", "pull.octopus") == "theta\n"


def test_uninstalling_twice_is_no_error(empty_repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("uninstall", []) == 0
    assert capsys.readouterr().out == "nothing to remove (local)\n"


def test_uninstall_keeps_a_section_with_foreign_values_whole_and_names_the_file(
    repo: Path, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    git("config", "diff.theta.cachetextconv", "true")
    run("uninstall", [])
    assert set(_installed(git)) == {"diff.theta.command", "diff.theta.cachetextconv"}
    assert ".git/config (local) still holds diff.theta.cachetextconv" in capsys.readouterr().err


def test_uninstall_names_the_file_of_another_scope(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("install", ["--global"])
    run("uninstall", [])
    assert ".gitconfig (global) still holds filter.theta.process" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/usr/bin/python3", "/with space/python", "/o'neil/python", "/50%f/python"])
def test_a_value_of_ours_is_recognised_whatever_the_interpreter(path: str) -> None:
    assert all(drivers.is_ours(key, value) for key, value in drivers.wanted(path).items())


def test_the_driver_is_written_before_the_name() -> None:
    """Git dies of a merge section that has a name and no driver."""
    keys = list(drivers.wanted("/bin/python"))
    assert keys.index("merge.theta.driver") < keys.index("merge.theta.name")


def test_without_its_interpreter_a_command_falls_back_to_path(repo: Path, git: Git) -> None:
    for key, value in drivers.wanted("/gone/python").items():
        git("config", key, value)
    (repo / "opaque.pt").write_bytes(b"not a checkpoint at all")
    git("add", "opaque.pt")
    assert git("cat-file", "blob", ":opaque.pt").startswith("theta 1\n")
    (repo / "opaque.pt").unlink()
    git("checkout", "--", "opaque.pt")
    assert (repo / "opaque.pt").read_bytes() == b"not a checkpoint at all"


def test_health_names_a_gone_interpreter_and_missing_keys(repo: Path, git: Git) -> None:
    git("config", "filter.theta.process", drivers.wanted("/gone/python")["filter.theta.process"])
    git("config", "--unset", "merge.theta.driver")
    complaints = drivers.health(drivers.effective(settings(Repository(), drivers.SECTIONS)))
    assert complaints == [
        "merge.theta.driver is not set; type: git theta install",
        "the interpreter /gone/python is gone; type: git theta install",
    ]


def test_a_users_own_packages_never_shadow_ours(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "theta_filter").mkdir()
    (repo / "theta_filter/__init__.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.setenv("PYTHONPATH", str(repo))
    (repo / "opaque.pt").write_bytes(b"bytes")
    git("add", "opaque.pt")
    assert git("cat-file", "blob", ":opaque.pt").startswith("theta 1\n")


@pytest.mark.parametrize("verb", ["clean", "smudge"])
def test_one_shot_commands_round_trip(repo: Path, verb: str) -> None:
    command = drivers.wanted(drivers.interpreter())[f"filter.theta.{verb}"].replace("%f", "opaque.pt")
    manifest = subprocess.run(["git", "theta", "clean", "opaque.pt"], input=b"bytes", capture_output=True, check=True)
    given = b"bytes" if verb == "clean" else manifest.stdout
    done = subprocess.run(command, shell=True, input=given, capture_output=True, check=True)
    assert done.stdout == (manifest.stdout if verb == "clean" else b"bytes")
