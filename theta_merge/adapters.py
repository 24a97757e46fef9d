"""Adapters: pairs of LoRA factors, which the strategy ``lora`` merges together, and their scales.

Source: PEFT, ``LoraConfig`` and ``LoraLayer``; ``adapter_config.json`` lies beside ``adapter_model.safetensors``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from collections.abc import Sequence

from strategies.contract import MergeError
from theta_checkpoint.manifest import Tensor
from theta_merge.choices import Choice
from theta_merge.decide import Decision
from theta_merge.decide import side_name

CONFIG = "adapter_config.json"
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<which>[AB])(?P<rest>(?:\..+)?)")


def partner(name: str) -> str | None:
    """The other factor of a pair: ``q.lora_A.weight`` -> ``q.lora_B.weight``; None for what is no factor."""
    found = _FACTOR.fullmatch(name)
    if not found:
        return None
    other = {"A": "B", "B": "A"}[found["which"]]
    return f"{found['module']}.lora_{found['embedding'] or ''}{other}{found['rest']}"


def pair(name: str) -> tuple[str, str]:
    """The names of A and B, given either."""
    return (min(name, partner(name) or name), max(name, partner(name) or name))


def paired(decisions: Sequence[Decision], choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """The choices, where one that merges a factor by ``lora`` holds for the other factor too."""
    names = {decision.name for decision in decisions}
    found = dict(choices)
    for name, one in choices.items():
        other = partner(name)
        if one.strategy.products and other in names and other is not None:
            found[other] = one
    return found


def both_factors(refused: Mapping[str, str]) -> dict[str, str]:
    """What was refused by name; a factor takes its partner along, since one alone would mean nothing."""
    others = {other: why for name, why in refused.items() if (other := partner(name))}
    return {**others, **refused}


def is_factor(name: str, choice: Choice) -> bool:
    """Whether the strategy merges this group as a factor of a product."""
    return choice.strategy.products and partner(name) is not None


def factor_obstacle(factor: Decision) -> str | None:
    """Why a factor cannot be merged; ranks may differ from side to side."""
    axis = 1 if pair(factor.name)[0] == factor.name else 0
    tensors = [state for state in factor.sides if isinstance(state, Tensor)]
    if len(tensors) < len(factor.sides):
        return "not every side has this adapter; take one side"
    if any(len(tensor.shape) != 2 for tensor in tensors) or len({tensor.shape[axis] for tensor in tensors}) > 1:
        return "the adapters do not fit the same layer; take one side"
    return None


def merged_rank(factor: Decision, choice: Choice) -> int:
    """The rank of the merged pair."""
    axis = 0 if pair(factor.name)[0] == factor.name else 1
    ranks = [state.shape[axis] for state in factor.sides if isinstance(state, Tensor)]
    if choice.options["factors"] == "stack":
        return sum(ranks)
    return int(choice.options["rank"]) or ranks[0]


def scale(config: bytes | None, side: int, name: str, rank: int) -> float:
    """What a side's ``adapter_config.json`` multiplies the product of a pair with; raises :class:`MergeError`."""
    try:
        facts = json.loads(config or b"")
        alphas = facts.get("alpha_pattern") or {}
        module = name.rpartition(".lora_")[0].removeprefix("base_model.model.")
        matching = (value for key, value in alphas.items() if re.fullmatch(rf"(.*\.)?({key})", module))
        alpha = float(next(matching, facts["lora_alpha"]))
        return alpha / (math.sqrt(rank) if facts.get("use_rslora") else rank)
    except (ValueError, KeyError, TypeError, AttributeError, re.error) as error:
        raise MergeError(
            f"strategy 'lora' needs {CONFIG} with lora_alpha beside the adapter of {side_name(side)}"
        ) from error
