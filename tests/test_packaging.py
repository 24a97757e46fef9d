"""What pyproject.toml promises exists."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from strategies.registry import BUILT_IN
from strategies.registry import strategy

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GIT_MERGE = "git-merge-"
MERGES = {script.removeprefix(GIT_MERGE) for script in PROJECT["scripts"] if script.startswith(GIT_MERGE)}


def test_every_strategy_is_one_for_git_merge() -> None:
    assert BUILT_IN.keys() | {"theta"} <= MERGES


def test_every_name_of_mergekit_is_one_for_git_merge_and_a_strategy() -> None:
    mergekit = """arcee_fusion breadcrumbs breadcrumbs_ties dare_linear dare_ties della della_linear karcher linear
    model_stock multislerp nearswap nuslerp passthrough ram ramplus_tl sce slerp task_arithmetic ties"""
    assert set(mergekit.split()) <= MERGES
    assert {strategy(name).name for name in MERGES - {"theta"}} == BUILT_IN.keys()


def test_no_script_takes_the_name_of_a_strategy_of_gits_own() -> None:
    own = {"ours", "octopus", "ort", "recursive", "resolve", "subtree", "one-file", "tree", "base", "file", "index"}
    assert not {GIT_MERGE + name for name in own} & PROJECT["scripts"].keys()


@pytest.mark.parametrize("script", PROJECT["scripts"].values())
def test_every_script_has_a_module(script: str) -> None:
    assert find_spec(script.partition(":")[0])


def test_torch_is_pinned_by_the_constraints() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize("package", sorted(path.parent.name for path in ROOT.glob("*/py.typed")))
def test_every_folder_and_file_of_a_package_is_installed(package: str) -> None:
    files = [file for file in (ROOT / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert {file.name for file in files if file.suffix != ".py"} == {"py.typed"}
    assert all((file.parent / "__init__.py").exists() for file in files)
