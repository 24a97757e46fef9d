"""docs/manifest.md shows a real manifest, and names every line and encoding that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from theta_checkpoint.manifest import parse
from theta_store.encodings import MODULES

PAGE = (Path(__file__).parents[2] / "docs/manifest.md").read_text()
EXAMPLE = re.search(r"```\n(theta 1\n.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_manifest() -> None:
    assert EXAMPLE
    manifest = parse(EXAMPLE[1].encode())
    assert sorted(manifest.groups) == ["model/embed.weight", "model/head.bias", "model/norm.weight"]


@pytest.mark.parametrize("kind", ["format", "value", "group", "alias", "skeleton", "sketches", "object"])
def test_every_kind_of_line_is_explained(kind: str) -> None:
    assert f"| `{kind} " in PAGE


@pytest.mark.parametrize("encoding", MODULES)
def test_every_encoding_is_explained(encoding: str) -> None:
    assert f"`{encoding}`" in PAGE
