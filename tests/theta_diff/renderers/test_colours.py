from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from theta_diff.renderers.colours import Palette
from theta_diff.renderers.colours import palette

Git = Callable[..., str]


@pytest.mark.parametrize(
    ("choice", "config", "environment", "coloured"),
    [
        ("always", {}, {"NO_COLOR": "1"}, True),
        ("never", {"color.diff": "always"}, {}, False),
        ("auto", {"color.diff": "always"}, {}, True),
        ("auto", {"color.ui": "always"}, {}, True),
        ("auto", {"color.diff": "always"}, {"NO_COLOR": "1"}, False),
        ("auto", {}, {}, False),
        ("auto", {}, {"GIT_PAGER_IN_USE": "true", "TERM": "xterm"}, True),
        ("auto", {}, {"GIT_PAGER_IN_USE": "true", "TERM": "dumb"}, False),
        ("auto", {"color.ui": "never"}, {"GIT_PAGER_IN_USE": "true", "TERM": "xterm"}, False),
    ],
)
def test_colour_is_what_git_decides(
    empty_repo: Path,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    config: dict[str, str],
    environment: dict[str, str],
    coloured: bool,
) -> None:
    for name, value in config.items():
        git("config", name, value)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (palette(choice) != Palette()) is coloured


def test_the_colours_of_the_user_are_used(empty_repo: Path, git: Git) -> None:
    git("config", "color.diff.new", "magenta")
    assert palette("always").new == "\x1b[35m"
    assert palette("always").old == "\x1b[31m"


def test_no_colour_is_no_escape() -> None:
    assert Palette().paint("new", "text") == "text"
