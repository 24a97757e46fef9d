"""What every test stands on: an environment without the user's settings, and a repository with theta in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

from theta_cli import drivers
from theta_cli import installation
from theta_git.configuration import Scope
from theta_git.repository import Repository

Git = Callable[..., str]

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("random", _PATIENT)
settings.register_profile("fixed", _PATIENT, derandomize=True, database=None)
settings.load_profile("fixed")  # pytest --hypothesis-profile=random looks for examples that nobody has tried


@pytest.fixture(autouse=True)
def hermetic_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, dates, editor or GIT_* variable of the user's reaches a test."""
    for name in os.environ:
        if name.startswith(("GIT_", "THETA_")):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
        os.unsetenv(name)  # readline, which pytest imports, sets them where os.environ does not show it
    home = tmp_path_factory.mktemp("home")
    settings = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "A U Thor",
        "GIT_AUTHOR_EMAIL": "author@example.com",
        "GIT_AUTHOR_DATE": "2005-04-07T22:13:13 +0000",
        "GIT_COMMITTER_NAME": "C O Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.com",
        "GIT_COMMITTER_DATE": "2005-04-07T22:13:13 +0000",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def own_random_numbers(request: pytest.FixtureRequest) -> None:
    """The generator RANDOM of a test's module gives each test numbers of its own, whatever ran before."""
    if generator := getattr(request.module, "RANDOM", None):
        generator.bit_generator.state = type(generator.bit_generator)([*request.node.name.encode()]).state


@pytest.fixture
def git() -> Git:
    """``git("add", "x")`` runs git in the current folder and returns what it prints; it must succeed."""

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(["git", *arguments], input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def empty_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> Path:
    """An empty repository, on branch main, which is the current folder; theta is not installed in it."""
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def repo(empty_repo: Path) -> Path:
    """As ``empty_repo``, with theta installed and ``*.pt`` and ``*.safetensors`` tracked."""
    installation.install(Repository(), Scope.LOCAL, drivers.wanted(drivers.interpreter()))
    lines = [f"{pattern} filter=theta diff=theta merge=theta -text\n" for pattern in ("*.pt", "*.safetensors")]
    (empty_repo / ".gitattributes").write_text("".join(lines))
    return empty_repo
