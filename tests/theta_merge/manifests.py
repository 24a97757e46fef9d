"""Manifests made by hand, for tests of what is decided without values."""

from __future__ import annotations

from collections.abc import Mapping

from blake3 import blake3

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_merge.outcome import Versions


def digest(text: str) -> str:
    return blake3(text.encode()).hexdigest()


def tensor(name: str, content: str, dtype: str = "F32", shape: tuple[int, ...] = (2, 3)) -> Tensor:
    return Tensor(name, dtype, shape, digest(content))


def manifest(
    groups: Mapping[str, str | Tensor],
    ties: Mapping[str, str] | None = None,
    values: Mapping[str, object] | None = None,
    skeleton: str = "skeleton",
) -> Manifest:
    """``manifest({"w": "old"})``: a group w whose content is named old."""
    found = {name: one if isinstance(one, Tensor) else tensor(name, one) for name, one in groups.items()}
    return Manifest(
        format="safetensors",
        groups=found,
        aliases={name: Alias(name, "F32", (2, 3), owner) for name, owner in (ties or {}).items()},
        values={name: Value(name, str(value)) for name, value in (values or {}).items()},
        skeleton=digest(skeleton),
        recipes={},
    )


def versions(base: Manifest | None, *sides: Manifest) -> Versions:
    return Versions(base, sides)
