"""The worked example of CONTRIBUTING.md, as it stands there, works in a package of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from strategies import registry
from tests.strategies.conftest import Merge

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as pip would have installed it, with the entry points that the page shows."""
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    [declared] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    [[group, name, module]] = re.findall(r'entry-points\."(\S+)"\]\n(\S+) = "(\S+)"', declared)
    (tmp_path / f"{module}.py").write_text(example)
    (tmp_path / "my_strategies-1.dist-info").mkdir()
    (tmp_path / "my_strategies-1.dist-info/METADATA").write_text("Name: my-strategies\nVersion: 1\n")
    (tmp_path / "my_strategies-1.dist-info/entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.strategy.cache_clear()
    yield
    registry.strategy.cache_clear()


def test_it_is_found_and_merges(installed: None, merge: Merge) -> None:
    assert registry.all_strategies()[-1].name == "largest"
    assert merge("largest", None, np.array([1.0, -3.0, 2.0]), np.array([-2.0, 1.0, -2.0])).tolist() == [-2.0, -3.0, 2.0]


def test_git_merge_finds_it_by_the_script_that_the_page_shows() -> None:
    assert 'git-merge-largest = "theta_merge.git_merge:main"' in PAGE
