"""Documentation that cannot rot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from theta_cli import reference
from theta_cli.settings import SETTINGS
from theta_cli.verbs import PLUMBING
from theta_cli.verbs import summaries

ROOT = Path(__file__).parent.parent.parent
HOW = "out of date; run: python -m theta_cli.reference"


def test_the_command_page_is_current() -> None:
    assert (ROOT / "docs/commands.md").read_text() == reference.commands_page(), HOW


def test_the_man_page_is_current() -> None:
    assert (ROOT / "docs/git-theta.1").read_text() == reference.man_page(), HOW


@pytest.mark.parametrize("verb", summaries())
def test_every_argument_is_explained(verb: str) -> None:
    assert all(action.help for action in reference.actions(verb))


def test_every_setting_that_the_code_reads_is_told_of() -> None:
    code = "".join(file.read_text() for file in ROOT.glob("theta_*/**/*.py") if file.name != "settings.py")
    read = set(
        re.findall(r'"(?:git_)?(theta\.(?!save|load|encodings|strategies)[\w.]+|GIT_THETA_\w+)"', code, re.IGNORECASE)
    )
    told = {name.lower() for one in SETTINGS for name in (one.key, one.variable) if name}
    assert {name.lower() for name in read} - told == {"git_theta_sides"}, "that one is for theta itself"


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [*PAGES, "examples/demo.sh"])
def test_every_verb_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"(?:^ {4}|`|\$ |run )git theta ([a-z][a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
    assert named <= summaries().keys() | PLUMBING.keys()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / page).read_text()))
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_place_that_a_page_links_to_exists(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", (ROOT / page).read_text())
    for file, heading in links:
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists()
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if heading else []
        assert not heading or heading in [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]


def test_the_readme_shows_commands_of_the_demo() -> None:
    """scripts/readme.py sees that the output is the demo's, too."""
    shown = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    demo = (ROOT / "examples/demo.sh").read_text().replace("'\"", '"').replace("\"'", '"')
    assert shown
    assert [command for command in shown if command not in demo] == []
