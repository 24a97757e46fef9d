"""The pre-push hook lives with others."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from theta_git import hooks
from theta_git.configuration import Scope
from theta_git.hooks import State
from theta_git.repository import Repository

Git = Callable[..., str]

OURS = 'f() { cat >>ours; echo "$1" >>ours; }; f'
LFS = '#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || { echo >&2 "no git-lfs"; exit 2; }\ngit lfs pre-push "$@"\n'


@pytest.fixture
def hook(empty_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hook file of an old git lies; there is one commit to push to a bare repository."""
    monkeypatch.setattr(hooks, "version", lambda repository: (2, 39))
    git("commit", "--quiet", "--allow-empty", "-m", "empty")
    git("init", "--quiet", "--bare", "../bare.git")
    git("remote", "add", "origin", "../bare.git")
    (empty_repo / ".git/hooks").mkdir(exist_ok=True)
    return empty_repo / ".git/hooks/pre-push"


def test_it_runs_before_a_push_with_its_refs_and_arguments(hook: Path, git: Git) -> None:
    assert hooks.install(Repository(), Scope.LOCAL, OURS).state == State.FILE
    git("push", "--quiet", "origin", "main")
    oid = git("rev-parse", "HEAD").strip()
    assert Path("ours").read_text() == f"refs/heads/main {oid} refs/heads/main {'0' * 40}origin\n"


def test_a_failure_stops_the_push(hook: Path) -> None:
    hooks.install(Repository(), Scope.LOCAL, "f() { echo no objects >&2; exit 1; }; f")
    done = subprocess.run(["git", "push", "origin", "main"], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "no objects" in done.stderr


@pytest.mark.parametrize("foreign", ["#!/bin/sh\nexec husky\n", f"{LFS}echo more\n", "#!/usr/bin/env python\n"])
def test_a_foreign_hook_is_left_alone(hook: Path, foreign: str) -> None:
    hook.write_text(foreign)
    assert hooks.install(Repository(), Scope.LOCAL, OURS) == hooks.Hook(State.FOREIGN, hook)
    assert hook.read_text() == foreign
    assert not hooks.uninstall(Repository(), Scope.LOCAL)
    assert hook.read_text() == foreign


def test_the_snippet_runs_both(hook: Path, git: Git) -> None:
    hook.write_text(f"#!/bin/sh\n{hooks.snippet(OURS)}\nprintf '%s' \"$refs\" >theirs\n")
    hook.chmod(0o755)
    git("push", "--quiet", "origin", "main")
    assert Path("theirs").read_text() + "origin\n" == Path("ours").read_text()


def test_the_hook_of_git_lfs_runs_after_ours_and_comes_back(hook: Path, git: Git) -> None:
    hook.write_text(LFS)
    hook.chmod(0o755)
    assert hooks.install(Repository(), Scope.LOCAL, OURS).state == State.FILE
    aside = hook.with_name("pre-push.lfs")
    assert aside.read_text() == LFS
    aside.write_text("#!/bin/sh\ncat >lfs\n")
    git("push", "--quiet", "origin", "main")
    assert Path("lfs").read_text() + "origin\n" == Path("ours").read_text()
    aside.write_text(LFS)
    assert hooks.uninstall(Repository(), Scope.LOCAL)
    assert hook.read_text() == LFS
    assert not aside.exists()


def test_installing_again_upgrades_ours(hook: Path) -> None:
    hooks.install(Repository(), Scope.LOCAL, "old")
    hooks.install(Repository(), Scope.LOCAL, "new")
    assert "new" in hook.read_text()
    assert "old" not in hook.read_text()
    assert hooks.uninstall(Repository(), Scope.LOCAL)
    assert not hook.exists()


def test_the_folder_for_hooks_that_git_was_given_is_used(hook: Path, git: Git, tmp_path: Path) -> None:
    git("config", "core.hooksPath", str(tmp_path / "shared"))
    assert hooks.install(Repository(), Scope.LOCAL, OURS).path == tmp_path / "shared/pre-push"
    assert not hook.exists()


def test_where_hooks_can_be_configuration_no_file_is_written(
    hook: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "version", lambda repository: (2, 54))
    assert hooks.install(Repository(), Scope.LOCAL, OURS).state == State.CONFIGURED
    assert not hook.exists()
    assert git("config", "hook.theta.event") == "pre-push\n"
    assert hooks.is_installed(Repository())
    assert hooks.uninstall(Repository(), Scope.LOCAL)
    assert not hooks.is_installed(Repository())


def test_a_fresh_clone_gets_the_hook_and_a_hook_of_any_kind_stays(hook: Path, git: Git, tmp_path: Path) -> None:
    hooks.install_if_free(Repository(), OURS)
    assert hooks.is_installed(Repository())
    hook.write_text("#!/bin/sh\n")
    hooks.install_if_free(Repository(), OURS)
    assert hook.read_text() == "#!/bin/sh\n"
    hook.unlink()
    git("config", "core.hooksPath", str(tmp_path / "shared"))
    hooks.install_if_free(Repository(), OURS)
    assert not hook.exists()
    assert not (tmp_path / "shared").exists()
