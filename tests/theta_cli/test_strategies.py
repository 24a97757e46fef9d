"""git theta strategies: the catalogue, and one strategy from it."""

from __future__ import annotations

import json
import sys

import pytest

from strategies.registry import names
from theta_cli import main

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def told(capsys: Printed, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["git-theta", "strategies", *arguments])
    assert main.main() == 0
    return capsys.readouterr().out


def test_the_list_has_every_strategy_under_what_it_works_on(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(capsys, monkeypatch).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert sorted(listed) == sorted(names())
    assert [line for line in lines if line and line[0] != " "][:4] == [
        "Take one version as it is",
        "Merge the values themselves",
        "Merge what each side changed since base",
        "Need a file beside each checkpoint",
    ]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", names())
def test_one_strategy_is_told_with_all_that_can_be_typed(
    name: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = told(capsys, monkeypatch, name)
    assert text.startswith(f"{name}: ")
    assert max(map(len, text.splitlines())) <= 80
    assert "R the result" in " ".join(text.split())
    assert f"git merge --strategy {name}" in text
    (found,) = json.loads(told(capsys, monkeypatch, name, "--json"))["strategies"]
    if "  allow_nonfinite=false" in text:
        assert all(f"  {option['name']}=" in text for option in found["options"])


def test_other_names_are_known_and_told(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(capsys, monkeypatch, "linear")
    assert text.startswith("average: ")
    assert "also    linear, simple-average, weighted-average, model-soup" in text
