"""The names of an adapter's entries: which group each is for, and what it is in that group's update."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass

from theta_checkpoint.manifest import Tensor
from theta_store.updates import BadUpdate

_PREFIX = "base_model.model."
_WRAPPER = re.compile(r"\.(?:base_layer|modules_to_save)(?=\.|$)")
"""what PEFT puts around a module that it changes"""
_UNCHANGED = ".original_module."
_PARTS = {
    "down": r"lora_(?:embedding_)?A(?:\.weight|\.default)?",
    "up": r"lora_(?:embedding_)?B(?:\.weight|\.default)?",
    "shift": r"lora_B\.bias",
    "rows": r"token_adapter\.trainable_tokens_delta",
    "scales": r"ia3_l",
}
_PART = re.compile(rf"(?P<module>.+)\.(?:{'|'.join(f'(?P<{part}>{text})' for part, text in _PARTS.items())})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an adapter."""

    name: str
    """in the adapter's file"""
    module: str
    """that it is for, as the base model calls it"""
    leaf: str
    """the parameter of that module"""
    part: str
    """``down``, ``up``, ``shift``, ``rows`` or ``scales``; ``values`` if it takes the place of the parameter"""

    @property
    def parameter(self) -> str:
        """As the base model calls it."""
        return f"{self.module}.{self.leaf}"

    @property
    def of_embedding(self) -> bool:
        """Whether it is a factor of an embedding, which has a row for each input."""
        return ".lora_embedding_" in self.name


def entries(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Entry]]:
    """The entries of an adapter, by parameter and by part; raises :class:`BadUpdate` for two that contradict."""
    found: dict[str, dict[str, Entry]] = {}
    for name in sorted(tensors):
        if _UNCHANGED not in name:
            entry = _entry(name)
            other = found.setdefault(entry.parameter, {}).setdefault(entry.part, entry)
            if tensors[other.name].digest != tensors[name].digest:
                raise BadUpdate(f"{other.name} and {name} are both for {entry.parameter}, and differ")
    return found


def _entry(name: str) -> Entry:
    match = _PART.fullmatch(name)
    part = (match and match.lastgroup) or "values"
    module, _, leaf = name.rpartition(".")
    if match:
        module, leaf = match["module"], "bias" if part == "shift" else "weight"
    return Entry(name, _WRAPPER.sub("", module.removeprefix(_PREFIX)), leaf, part)


def groups_of(parameters: Collection[str], groups: Collection[str]) -> dict[str, str]:
    """The group of a checkpoint that each parameter of the base model is.

    All names in the checkpoint may have the same text more in front, or less. Raises :class:`BadUpdate`.
    """
    lost = [parameter for parameter in parameters if parameter not in groups]
    if not lost:
        return {parameter: parameter for parameter in parameters}
    fronts = next(filter(None, (_fronts(parameter, groups) for parameter in parameters)), set())
    named = [{parameter: on + parameter.removeprefix(off) for parameter in parameters} for off, on in sorted(fronts)]
    fitting = [one for one in named if set(one.values()) <= set(groups) and len(set(one.values())) == len(one)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        meant = " or ".join(found[lost[0]] for found in fitting)
        raise BadUpdate(f"the adapter changes {lost[0]}, which could be {meant}")
    missing = [[one for one, group in found.items() if group not in groups] for found in named]
    raise BadUpdate(
        f"the adapter changes {min(filter(None, (lost, *missing)), key=len)[0]}, and there is no such group"
    )


def _fronts(parameter: str, groups: Collection[str]) -> set[tuple[str, str]]:
    """What may have to be taken off the front of names, and what put there."""
    ends = (f".{parameter}", f"/{parameter}")
    more = {("", group.removesuffix(parameter)) for group in groups if group.endswith(ends)}
    return more | {(parameter.removesuffix(group), "") for group in groups if parameter.endswith(f".{group}")}
