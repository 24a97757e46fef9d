"""Adapter folders as PEFT saves them: LoRA updates of the groups that they were trained for.

https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from theta_checkpoint.manifest import Manifest
from theta_cli.update_files import factor
from theta_cli.update_files import replacement
from theta_store.checkpoint import FileCheckpoint
from theta_store.checkpoint import opened
from theta_store.updates import BadUpdate
from theta_store.updates import LowRank
from theta_store.updates import Update
from theta_store.values import array

_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_PREFIX = "base_model.model."
_WRAPPED = ".base_layer"
"""what the names of biases have in them where their module has factors too"""
_OTHER_MATHS = ("use_dora", "use_qalora", "alora_invocation_tokens")
_ZERO_AT_FIRST = ("gaussian", "eva", "orthogonal")
"""ways to begin that leave the base as it is; the others change it, and save factors for the changed one"""
_PAIR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?A(?:\.weight|\.default)?")


def updates_in(folder: Path, manifest: Manifest) -> dict[str, Update]:
    """The updates in an adapter folder by the groups of ``manifest``; raises :class:`BadUpdate`, OSError."""
    config = _config(folder)
    path = next((folder / name for name in _FILES if (folder / name).exists()), None)
    if not path:
        raise BadUpdate(f"{folder}: there is neither {' nor '.join(_FILES)}")
    with opened(path) as data:
        pairs = {name: match for name in data.manifest.groups if (match := _PAIR.fullmatch(name))}
        others = {name: name.replace("lora_A", "lora_B").replace("embedding_A", "embedding_B") for name in pairs}
        if lost := sorted(set(others.values()) - data.manifest.groups.keys()):
            raise BadUpdate(f"{path}: {lost[0]} is missing")
        updates: dict[str, Update] = {}
        for name, match in pairs.items():
            group = _group(match["module"], manifest)
            transposed = bool(match["embedding"] or config.get("fan_in_fan_out"))
            updates[group] = _update(data, name, others[name], _scale(config, match["module"]), transposed)
        for name in sorted(data.manifest.groups.keys() - pairs.keys() - set(others.values())):
            module, _, leaf = name.rpartition(".")
            group = _group(module, manifest, leaf)
            updates[group] = replacement(data, name, manifest, group)
        data.check_unchanged()
        return updates


def _config(folder: Path) -> dict[str, Any]:
    """The settings of an adapter; raises :class:`BadUpdate` unless its factors are all there is to it."""
    place = folder / "adapter_config.json"
    try:
        config: dict[str, Any] = dict(json.loads(place.read_bytes()))
    except (ValueError, TypeError) as error:
        raise BadUpdate(f"{place} is not what PEFT writes: {error}") from error
    if config.get("peft_type") != "LORA" or (other := next(filter(config.get, _OTHER_MATHS), None)):
        what = f"it has {other}" if config.get("peft_type") == "LORA" else f"it is of {config.get('peft_type')}"
        raise BadUpdate(f"{folder}: its adapter_config.json is not of a plain LoRA adapter: {what}")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start not in _ZERO_AT_FIRST:
        raise BadUpdate(
            f"{folder}: its factors are for a base that {start} changed; save it as plain LoRA, "
            "with path_initial_model_for_weight_conversion of PEFT's save_pretrained"
        )
    return config


def _update(data: FileCheckpoint, down: str, up: str, scale: float, transposed: bool) -> LowRank:
    """``scale * B A``, of which A goes down to the rank and B up again."""
    right, left = array(data, down), array(data, up)
    right, left = right.reshape(len(right), -1), left.reshape(len(left), -1)
    if transposed:
        return LowRank(factor(right.T, data, down), factor(left.T, data, up), scale)
    return LowRank(factor(left, data, up), factor(right, data, down), scale)


def _scale(config: Mapping[str, Any], module: str) -> float:
    """alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA (Kalajdzievski 2023, arXiv 2312.03732)."""
    try:
        rank = _of_module(config.get("rank_pattern"), module, config["r"])
        alpha = _of_module(config.get("alpha_pattern"), module, config["lora_alpha"])
        return float(alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, re.error) as error:
        raise BadUpdate(f"adapter_config.json tells no scale of {module}: {error!r}") from error


def _of_module(patterns: Mapping[str, float] | None, module: str, otherwise: float) -> float:
    """The value of the first pattern that the end of a module's name matches."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise


def _group(module: str, manifest: Manifest, leaf: str = "weight") -> str:
    """The group of a module, whatever the checkpoint has in front of its name; raises :class:`BadUpdate`."""
    wanted = f"{module.removeprefix(_PREFIX).removesuffix(_WRAPPED)}.{leaf}"
    if wanted in manifest.groups:
        return wanted
    fitting = [name for name in manifest.groups if name.endswith((f".{wanted}", f"/{wanted}"))]
    fitting += [name for name in manifest.groups if wanted.endswith(f".{name}")]
    if len(fitting) != 1:
        raise BadUpdate(f"the adapter updates {wanted}, and {len(fitting)} groups of the checkpoint could be meant")
    return fitting[0]
