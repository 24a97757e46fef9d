"""The example in examples/ runs, and shows what docs/merge_digits.md says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def example() -> ModuleType:
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location(
        "merge_digits", Path(__file__).parents[2] / "examples" / "merge_digits.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_strategy_merges_the_specialists(example: ModuleType) -> None:
    found = example.accuracies(0)
    specialist = max(found["ours"], found["theirs"])
    assert len(found) > 30
    for name in ("regmean", "iso-c", "task-arithmetic svc=true", "fisher"):
        assert found[name] > specialist
    assert found["regmean"] > found["average"]
