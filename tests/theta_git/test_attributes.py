from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta_git import attributes
from theta_git.attributes import Line
from theta_git.repository import Repository

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


def test_lines_have_file_number_pattern_and_attributes(tmp_path: Path) -> None:
    file = tmp_path / ".gitattributes"
    file.write_text('# comment\n\n[attr]binary -diff\n*.pt filter=theta -text\n"a \\"b\\".pt" filter=lfs\n')
    assert attributes.lines(file) == [
        Line(file, 4, "*.pt", ("filter=theta", "-text")),
        Line(file, 5, 'a "b".pt', ("filter=lfs",)),
    ]


def test_a_file_that_does_not_exist_has_no_lines(tmp_path: Path) -> None:
    assert attributes.lines(tmp_path / "nowhere") == []


@given(NAMES)
def test_a_pattern_survives_writing_and_taking_out(name: str) -> None:
    pattern = attributes.literal(name)
    text = attributes.with_pattern("*.txt text\n", pattern)
    assert attributes.with_pattern(text, pattern) == text
    assert attributes.without_pattern(text, pattern) == "*.txt text\n"


@pytest.mark.parametrize(
    "name", ["a b", "a\tb", "a\nb", 'a"b', '"', "#a", "!a", "\\", "a\\b", "[a]*?", " a ", "\x0b", "ü\u2028"]
)
def test_a_literal_pattern_means_its_path_and_no_other_to_git(empty_repo: Path, name: str) -> None:
    (empty_repo / ".gitattributes").write_text(attributes.with_pattern("", attributes.literal(name)), newline="")
    asked = [name, name + "x", "x" + name, "a"]
    assert attributes.filters(Repository(), asked) == {name: "theta"}


def test_no_filter_is_no_entry(repo: Path) -> None:
    (repo / ".gitattributes").write_text("*.pt filter=theta\nx.pt !filter\ny.pt -filter\n")
    assert attributes.filters(Repository(), ["a.pt", "x.pt", "y.pt", "z.txt"]) == {"a.pt": "theta"}


def test_the_line_that_gives_a_filter_is_the_deepest_and_last_that_matches(empty_repo: Path) -> None:
    (empty_repo / "sub").mkdir()
    (empty_repo / ".gitattributes").write_text("*.pt filter=lfs\n*.bin filter=lfs\n")
    (empty_repo / "sub/.gitattributes").write_text("x.pt filter=lfs\ny.pt filter=lfs\n")
    line = attributes.setting_line(Repository(), empty_repo / "sub/x.pt", "lfs")
    assert line == Line(empty_repo / "sub/.gitattributes", 1, "x.pt", ("filter=lfs",))
    line = attributes.setting_line(Repository(), empty_repo / "a.pt", "lfs")
    assert str(line) == ".gitattributes:1: *.pt filter=lfs"
    assert attributes.setting_line(Repository(), empty_repo / "a.pt", "annex") is None


def test_a_macro_gives_its_filter(empty_repo: Path) -> None:
    (empty_repo / ".gitattributes").write_text("[attr]big filter=lfs -text\n*.pt filter=lfs\n*.bin big\n")
    line = attributes.setting_line(Repository(), empty_repo / "x.bin", "lfs")
    assert str(line) == ".gitattributes:3: *.bin big"


def test_attributes_of_git_itself_and_of_the_user_are_read(empty_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_repo / ".git/info").mkdir(exist_ok=True)
    (empty_repo / ".git/info/attributes").write_text("*.pt filter=theta\n")
    (empty_repo / "mine").write_text("*.bin filter=theta\n")
    subprocess.run(["git", "config", "core.attributesFile", str(empty_repo / "mine")], check=True)
    found = [line.pattern for file in attributes.files(Repository()) for line in attributes.lines(file)]
    assert found == ["*.pt", "*.bin"]
    subprocess.run(["git", "config", "--unset", "core.attributesFile"], check=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty_repo))
    assert list(attributes.files(Repository()))[-1] == empty_repo / "git/attributes"


PATTERNS = [
    "*.pt", "m?.pt", "/m.pt", "a/*.pt", "a/**", "**/m.pt", "a/**/m.pt", "[ab].pt", "[!ab].pt", "[^a-b]x", "a*/m.pt",
    "a**b/m.pt", "\\*.pt", "m[.]pt", "**", "*/x/*", "[]x].pt", "a/b", " s.pt", "[&&a].pt", "[[a].pt",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_to_us_what_it_means_to_git(empty_repo: Path, pattern: str) -> None:
    names = [
        "m.pt",
        "mx.pt",
        "b.pt",
        "*.pt",
        "].pt",
        "x.pt",
        " s.pt",
        "&.pt",
        "[.pt",
        "cx",
        "q/x/y",
        "a/b",
        "a",
        "axb/m.pt",
        "x/b.pt",
    ]
    paths = [*names, "a/m.pt", "a/b/m.pt", "a/b/c/m.pt", "ab/m.pt", "a/cx"]
    (empty_repo / ".gitattributes").write_text(f"{attributes.written(pattern)} filter=theta\n")
    found = attributes.filters(Repository(), paths)
    assert [path for path in paths if attributes.matches(pattern, path)] == [path for path in paths if path in found]


@pytest.mark.parametrize(
    ("pattern", "inside"),
    [("*.pt", "*.pt"), ("**/*.pt", "**/*.pt"), ("a/b/*.pt", "/*.pt"), ("/a/b/c/*.pt", "/c/*.pt"), ("a/*.pt", None)],
)
def test_a_pattern_can_be_said_from_a_folder(pattern: str, inside: str | None) -> None:
    assert attributes.below(pattern, "a/b") == inside
