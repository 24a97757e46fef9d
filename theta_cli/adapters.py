"""Adapter folders as PEFT saves them: updates of the groups that they were trained for.

https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from theta_cli.adapter_names import Entry
from theta_cli.adapter_names import entries
from theta_cli.adapter_names import groups_of
from theta_cli.update_files import Groups
from theta_cli.update_files import factor
from theta_cli.update_files import float64
from theta_cli.update_files import replacement
from theta_cli.update_files import scaled
from theta_store.checkpoint import FileCheckpoint
from theta_store.checkpoint import opened
from theta_store.updates import Added
from theta_store.updates import BadUpdate
from theta_store.updates import LowRank
from theta_store.updates import Rows
from theta_store.updates import Update
from theta_store.values import array

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("lora", "ia3")
_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_ZERO_AT_FIRST = ("gaussian", "eva", "orthogonal")
"""ways to begin that leave the base as it is; the others change it, and save factors for the changed one"""
_UNDERSTOOD = """
auto_mapping base_model_class base_model_name_or_path inference_mode megatron_core parent_library peft_type peft_version
revision task_type corda_config ensure_weight_tying eva_config init_ia3_weights init_lora_weights loftq_config
lora_dropout lora_ga_config merge_weights qalora_group_size runtime_config

bias exclude_modules layers_pattern layers_to_transform lora_bias modules_to_save target_modules

alpha_pattern fan_in_fan_out feedforward_modules lora_alpha r rank_pattern trainable_token_indices use_rslora
"""
"""settings that may be on: whose adapter it is and how it was trained; which groups it changes, as the names of its
entries say too; and those that are read here. Any other may change what the values mean"""


def updates_in(folder: Path, kind: str, groups: Groups) -> list[dict[str, Update]]:
    """The updates in an adapter folder, of a kind of :data:`KINDS`, by the groups of a checkpoint.

    The second ones are for what the first ones give. Raises :class:`BadUpdate`, OSError.
    """
    config = _config(folder, kind)
    path = next((folder / name for name in _FILES if (folder / name).exists()), None)
    if not path:
        raise BadUpdate(f"{folder}: there is neither {' nor '.join(_FILES)}")
    with opened(path) as data:
        if tied := min(data.manifest.aliases, default=None):
            raise BadUpdate(f"{path}: {tied} and {data.manifest.aliases[tied].owner} are one tensor")
        found = entries(data.manifest.groups)
        meant = groups_of(sorted(found), groups)
        adapter = _Adapter(config, data, groups)
        first: dict[str, Update] = {}
        second: dict[str, Update] = {}
        for parameter, parts in found.items():
            group = meant[parameter]
            if values := parts.pop("values", None):
                first[group] = replacement(data, values.name, groups, group)
            if parts:
                second |= adapter.updates(group, parts)
        data.check_unchanged()
        return [first, second]


def _config(folder: Path, kind: str) -> dict[str, Any]:
    """The settings of an adapter; raises :class:`BadUpdate` if they ask for more than is known here."""
    place = folder / "adapter_config.json"
    try:
        config: dict[str, Any] = dict(json.loads(place.read_bytes()))
    except (ValueError, TypeError) as error:
        raise BadUpdate(f"{place} is not what PEFT writes: {error}") from error
    if config.get("peft_type") != kind.upper():
        raise BadUpdate(f"{place}: the adapter is not of type {kind}, but of {config.get('peft_type')}")
    if other := next((name for name, value in config.items() if value and name not in _UNDERSTOOD.split()), None):
        raise BadUpdate(f"{place}: it has {other}, which changes what its values mean")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start not in _ZERO_AT_FIRST:
        raise BadUpdate(
            f"{folder}: its factors are for a base that {start} changed; save it as plain LoRA, "
            "with path_initial_model_for_weight_conversion of PEFT's save_pretrained"
        )
    return config


@dataclass(frozen=True, slots=True)
class _Adapter:
    """An open adapter, and the groups that it is for."""

    config: Mapping[str, Any]
    data: FileCheckpoint
    groups: Groups

    def updates(self, group: str, parts: Mapping[str, Entry]) -> dict[str, Update]:
        """What the entries for one group update: it, and with IA3 its module's bias."""
        match sorted(parts):
            case ["down", "up"]:
                return {group: self._low_rank(group, parts["down"], parts["up"])}
            case ["shift"]:
                return {group: self._shift(parts["shift"])}
            case ["rows"]:
                return {group: self._rows(parts["rows"])}
            case ["scales"]:
                return self._scaled(group, parts["scales"])
        raise BadUpdate(f"group {group}: {' and '.join(entry.name for entry in parts.values())} are not a whole update")

    def _low_rank(self, group: str, down: Entry, up: Entry) -> LowRank:
        """``scale * B A``, of which A goes down to the rank and B up again."""
        right, left = self._matrix(down), self._matrix(up)
        rank, scale = self._scale(down.module)
        if rank != len(right):
            raise BadUpdate(f"group {group}: {down.name} is of rank {len(right)}, adapter_config.json says {rank}")
        if down.of_embedding or self._has_row_for_each_input(group, len(left), right.shape[1]):
            return LowRank(factor(right.T, self.data, down.name), factor(left.T, self.data, up.name), scale)
        return LowRank(factor(left, self.data, up.name), factor(right, self.data, down.name), scale)

    def _shift(self, entry: Entry) -> Added:
        import numpy

        change = float64(self.data, entry.name).reshape(-1)
        return Added(numpy.arange(change.size), change * self._scale(entry.module)[1])

    def _rows(self, entry: Entry) -> Rows:
        """The rows of the tokens that were trained alone."""
        import numpy

        tokens = self.config.get("trainable_token_indices")
        if isinstance(tokens, Mapping):
            tokens = next((some for name, some in tokens.items() if f".{entry.module}".endswith(f".{name}")), None)
        try:
            places = numpy.array(tokens, "i8")
        except (ValueError, TypeError, OverflowError) as error:
            raise BadUpdate(f"adapter_config.json tells no tokens of {entry.module}: {error}") from error
        return Rows(places, float64(self.data, entry.name))

    def _scaled(self, group: str, entry: Entry) -> dict[str, Update]:
        """A factor for each input of a feedforward module; for each output of another one, and of its bias."""
        vector = self._values(entry).reshape(-1)
        shape = self.groups[group].shape
        inputs = self._is_feedforward(entry.module)
        swapped = self._has_row_for_each_input(group, *((None, vector.size) if inputs else (vector.size, None)))
        axis = int(inputs) ^ int(swapped)
        if axis >= len(shape) or shape[axis] != vector.size:
            raise BadUpdate(f"group {group}: {entry.name} has {vector.size} elements, which do not fit")
        ones = [1] * len(shape)
        ones[axis] = vector.size
        updates: dict[str, Update] = {group: scaled(vector.reshape(ones), shape, self.data, entry.name)}
        bias = f"{group.removesuffix(entry.leaf)}bias"
        if not inputs and bias in self.groups:
            updates[bias] = scaled(vector, self.groups[bias].shape, self.data, entry.name)
        return updates

    def _matrix(self, entry: Entry) -> NDArray[Any]:
        """Its values; of the kernels of a convolution, a row each."""
        values = self._values(entry)
        if values.ndim < 2 or not values.size:
            raise BadUpdate(f"{entry.name} is no matrix: a part of it may be missing, as when it was saved in shards")
        return values.reshape(len(values), -1)

    def _values(self, entry: Entry) -> NDArray[Any]:
        return array(self.data, entry.name)

    def _scale(self, module: str) -> tuple[int, float]:
        """The rank and alpha / rank, or alpha / sqrt(rank) if stabilised (Kalajdzievski 2023, arXiv 2312.03732)."""
        config = self.config
        try:
            rank = _of_module(config.get("rank_pattern"), module, config["r"])
            alpha = _of_module(config.get("alpha_pattern"), module, config["lora_alpha"])
            return int(rank), float(alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, re.error) as error:
            raise BadUpdate(f"adapter_config.json tells no scale of {module}: {error!r}") from error

    def _is_feedforward(self, module: str) -> bool:
        patterns = self.config.get("feedforward_modules")
        try:
            if isinstance(patterns, str):
                return bool(re.fullmatch(patterns, module))
            return module.endswith(tuple(patterns or ()))
        except (TypeError, re.error) as error:
            raise BadUpdate(f"adapter_config.json tells no feedforward_modules: {error!r}") from error

    def _has_row_for_each_input(self, group: str, outputs: int | None, inputs: int | None) -> bool:
        """Whether a matrix lies as GPT-2 keeps it, instead of with a row for each output; None where it is not known.

        PEFT says so once for the whole adapter, by the last module that it wrapped, so the shape is asked first.
        """
        shape = self.groups[group].shape
        usual = len(shape) != 2 or _fits(shape, (outputs, inputs))
        if usual != (len(shape) == 2 and _fits(shape, (inputs, outputs))):
            return not usual
        turned = bool(self.config.get("fan_in_fan_out"))
        if usual and not turned and (other := next(filter(self._is_turned, self.groups), None)):
            raise BadUpdate(
                f"group {group}: adapter_config.json does not tell whether it has a row for each input, as {other} has"
            )
        return turned

    def _is_turned(self, group: str) -> bool:
        """Whether the bias tells that a matrix has a column for each output."""
        bias = self.groups.get(f"{group.removesuffix('weight')}bias")
        shape = self.groups[group].shape
        return bias is not None and len(shape) == 2 and shape[0] != shape[1] and bias.shape == shape[1:]


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, int | None]) -> bool:
    return all(want in (None, have) for want, have in zip(wanted, shape, strict=True))


def _of_module(patterns: Mapping[str, float] | None, module: str, otherwise: float) -> float:
    """The value of the first pattern that the end of a module's name matches."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise
