"""What every test stands on: an environment without the user's settings, and a repository with theta in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

from tests.templates import Made
from tests.templates import Templates
from tests.templates import make_copyable
from theta_cli import drivers
from theta_cli import installation
from theta_git.configuration import Scope
from theta_git.repository import Repository

Git = Callable[..., str]
_homes = count()


class Begun(Protocol):
    """The type of the fixture ``begun``."""

    def __call__(self, name: str, make: Callable[[], Made]) -> Made:
        """What ``make`` returns."""


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
    home = tmp_path_factory.getbasetemp() / f"home{next(_homes)}"  # mktemp looks through all that there are
    home.mkdir()
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


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Repositories to begin with."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    made = tmp_path / "repo"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def empty_repo(current_folder: Path, git: Git) -> Path:
    """An empty repository, on branch main, which is the current folder; theta is not installed in it."""
    git("init", "--quiet", "--initial-branch=main")
    return current_folder


@pytest.fixture
def repo(current_folder: Path, git: Git, templates: Templates) -> Path:
    """As ``empty_repo``, with theta installed and ``*.pt`` and ``*.safetensors`` tracked."""
    templates.fill("repo", lambda: _set_up(git), current_folder)
    return current_folder


@pytest.fixture
def begun(repo: Path, git: Git, templates: Templates) -> Begun:
    """``begun("a name", make)`` makes of ``repo`` what ``make`` does, which is called for one such test alone.

    The others get a copy of the repository, and of what it returned.
    """

    def filled(name: str, make: Callable[[], Made]) -> Made:
        def made() -> Made:
            result = make()
            make_copyable(git)
            return result

        return templates.fill(name, made, repo)

    return filled


def _set_up(git: Git) -> None:
    git("init", "--quiet", "--initial-branch=main")
    installation.install(Repository(), Scope.LOCAL, drivers.wanted(drivers.interpreter()))
    lines = [f"{pattern} filter=theta diff=theta merge=theta -text\n" for pattern in ("*.pt", "*.safetensors")]
    Path(".gitattributes").write_text("".join(lines))
