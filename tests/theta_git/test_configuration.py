from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from theta_git import configuration
from theta_git.configuration import Scope
from theta_git.configuration import Setting
from theta_git.repository import GitFailed
from theta_git.repository import Repository

Git = Callable[..., str]


def test_settings_tell_scope_and_file_and_the_last_one_wins(empty_repo: Path, git: Git) -> None:
    git("config", "--global", "filter.theta.clean", "of the user")
    git("config", "--local", "filter.theta.clean", "of the\nrepository")
    git("config", "--local", "filter.thetas.clean", "of another section")
    assert configuration.settings(Repository(), ["filter.theta"]) == [
        Setting("filter.theta.clean", "of the user", "global", f"{os.environ['HOME']}/.gitconfig"),
        Setting("filter.theta.clean", "of the\nrepository", "local", ".git/config"),
    ]


def test_no_setting_is_no_error(empty_repo: Path) -> None:
    assert configuration.settings(Repository(), ["filter.theta", "merge.theta"]) == []


def test_writing_replaces_all_values_of_one_file_only(empty_repo: Path, git: Git) -> None:
    git("config", "--global", "merge.theta.name", "of the user")
    for value in ("one", "two"):
        git("config", "--local", "--add", "merge.theta.name", value)
    configuration.write(Repository(), Scope.LOCAL, "merge.theta.name", "three")
    assert git("config", "--get-all", "merge.theta.name") == "of the user\nthree\n"


def test_a_section_is_removed_from_one_file_only(empty_repo: Path, git: Git) -> None:
    for scope in ("--global", "--local"):
        git("config", scope, "merge.theta.name", scope)
    configuration.remove_section(Repository(), Scope.LOCAL, "merge.theta")
    assert git("config", "--get-all", "merge.theta.name") == "--global\n"
    with pytest.raises(GitFailed, match="no such section"):
        configuration.remove_section(Repository(), Scope.LOCAL, "merge.theta")
