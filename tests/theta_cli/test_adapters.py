"""Adapter folders of PEFT: which groups they update, how, and which are refused.

What the updates then make of a checkpoint is in ``test_updates.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from theta_checkpoint.manifest import Tensor
from theta_cli import adapters
from theta_cli.update_files import Groups
from theta_store.updates import BadUpdate
from theta_store.updates import LowRank
from theta_store.updates import Replaced

Array = NDArray[numpy.float32]
Shapes = dict[str, tuple[int, ...]]
PREFIX = "base_model.model."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, shapes: Shapes, **config: object) -> dict[str, Array]:
    """Save an adapter of rank 4 and alpha 8, with entries of these shapes; its entries."""
    plain = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "init_lora_weights": True}
    (folder / "adapter_config.json").write_text(json.dumps({**plain, **config}))
    random = numpy.random.default_rng(0)
    tensors = {PREFIX + name: random.standard_normal(shape).astype("f4") for name, shape in shapes.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    return tensors


def pair(module: str, outputs: int = 20, inputs: int = 10, rank: int = 4) -> Shapes:
    return {f"{module}.lora_A.weight": (rank, inputs), f"{module}.lora_B.weight": (outputs, rank)}


def groups(shapes: Shapes, dtype: str = "F32") -> Groups:
    return {name: Tensor(name, dtype, shape, f"{number:064}") for number, (name, shape) in enumerate(shapes.items())}


def weights(*modules: str) -> Groups:
    return groups({f"{module}.weight": (20, 10) for module in modules})


@pytest.mark.parametrize("key", ["layer", "^deep.layer", r".*l.yer", "deep.layer|other"])
def test_scales_are_found_by_the_names_of_the_base_model(folder: Path, key: str) -> None:
    written(folder, pair("deep.layer", rank=2), rank_pattern={"lay": 7, key: 2}, alpha_pattern={key: 6})
    _, updates = adapters.updates_in(folder, "lora", weights("deep.layer"))
    update = updates["deep.layer.weight"]
    assert isinstance(update, LowRank)
    assert update.scale == 3


@pytest.mark.parametrize(
    ("stored", "trained"),
    [("model.layer", "layer"), ("layer", "model.layer"), ("model/layer", "layer"), ("layer", "layer")],
)
def test_all_names_may_have_the_same_text_in_front(folder: Path, stored: str, trained: str) -> None:
    written(folder, pair(f"{trained}.q") | pair(f"{trained}.v"))
    _, updates = adapters.updates_in(folder, "lora", weights(f"{stored}.q", f"{stored}.v", "ema.layer.v"))
    assert sorted(updates) == [f"{stored}.q.weight", f"{stored}.v.weight"]


@pytest.mark.parametrize(
    ("stored", "trained", "message"),
    [
        (["layer"], ["encoder.layer", "decoder.layer"], r"changes encoder\.layer\.weight, and there is no such group"),
        (["model.layer", "ema.layer"], ["layer"], r"layer\.weight, which could be ema\.layer\.weight or model\.layer"),
        (["layer"], ["encoder.layer", "layer"], r"changes encoder\.layer\.weight, and there is no such group"),
        (["layer"], ["layer", "head"], r"changes head\.weight, and there is no such group"),
    ],
)
def test_names_that_may_mean_another_group_are_refused(
    folder: Path, stored: list[str], trained: list[str], message: str
) -> None:
    written(folder, {name: shape for module in trained for name, shape in pair(module).items()})
    with pytest.raises(BadUpdate, match=message):
        adapters.updates_in(folder, "lora", weights(*stored))


@pytest.mark.parametrize("turned", [True, False])
def test_a_square_matrix_lies_as_the_settings_say(folder: Path, turned: bool) -> None:
    tensors = written(folder, pair("square", 10, 10), fan_in_fan_out=turned)
    _, updates = adapters.updates_in(folder, "lora", groups({"square.weight": (10, 10)}))
    update = updates["square.weight"]
    assert isinstance(update, LowRank)
    left = tensors[f"{PREFIX}square.lora_A.weight"].T if turned else tensors[f"{PREFIX}square.lora_B.weight"]
    assert update.left.raw == left.tobytes()


def test_a_square_matrix_in_a_checkpoint_with_both_kinds_is_refused(folder: Path) -> None:
    written(folder, pair("square", 10, 10), fan_in_fan_out=False)
    both = groups({"square.weight": (10, 10), "conv1d.weight": (10, 30), "conv1d.bias": (30,)})
    with pytest.raises(BadUpdate, match=r"group square\.weight: .* a row for each input, as conv1d\.weight has"):
        adapters.updates_in(folder, "lora", both)


def test_a_module_that_was_saved_under_several_names(folder: Path) -> None:
    tensors = written(folder, {f"layer.{name}bias": (4,) for name in ("", "modules_to_save.", "original_module.")})
    tensors[f"{PREFIX}layer.modules_to_save.bias"] = bias = tensors[f"{PREFIX}layer.bias"]
    save_file(tensors, folder / "adapter_model.safetensors")
    updates, _ = adapters.updates_in(folder, "lora", groups({"layer.bias": (4,)}))
    assert updates == {"layer.bias": Replaced(bias.tobytes())}


def test_values_that_contradict_each_other_are_refused(folder: Path) -> None:
    written(folder, {f"layer.{name}bias": (4,) for name in ("", "modules_to_save.")})
    with pytest.raises(BadUpdate, match=r"both for layer\.bias, and differ"):
        adapters.updates_in(folder, "lora", groups({"layer.bias": (4,)}))


def test_replaced_values_are_rounded_to_the_dtype_of_the_group(folder: Path) -> None:
    tensors = written(folder, {"norm.weight": (30,)})
    updates, _ = adapters.updates_in(folder, "lora", groups({"norm.weight": (30,)}, "F16"))
    assert updates == {"norm.weight": Replaced(tensors[f"{PREFIX}norm.weight"].astype("f2").tobytes())}


@pytest.mark.parametrize("tokens", [None, ["a", "b"], {"other": [1, 2]}])
def test_tokens_that_nobody_names_are_refused(folder: Path, tokens: object) -> None:
    written(folder, {"embed.token_adapter.trainable_tokens_delta": (2, 10)}, trainable_token_indices=tokens)
    with pytest.raises(BadUpdate, match="tells no tokens of embed"):
        adapters.updates_in(folder, "lora", weights("embed"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "IA3"}, "not of type lora, but of IA3"),
        ({"use_dora": True}, "it has use_dora"),
        ({"alora_invocation_tokens": [1]}, "it has alora_invocation_tokens"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "it has layer_replication"),
        ({"a_setting_to_come": {"on": True}}, "it has a_setting_to_come, which changes what its values mean"),
        ({"r": 5}, r"layer\.lora_A\.weight is of rank 4, adapter_config\.json says 5"),
        ({"r": None}, "tells no scale of layer"),
        ({"alpha_pattern": {"(": 1}}, "tells no scale of layer"),
        ({"init_lora_weights": "pissa_niter_4"}, "for a base that pissa_niter_4 changed"),
    ],
)
def test_an_adapter_that_cannot_be_applied_is_refused(folder: Path, config: dict[str, object], message: str) -> None:
    written(folder, pair("layer"), **config)
    with pytest.raises(BadUpdate, match=message):
        adapters.updates_in(folder, "lora", weights("layer"))


@pytest.mark.parametrize("shape", [(0,), (), (0, 10), (40,)])
def test_a_factor_of_which_parts_are_missing_is_refused(folder: Path, shape: tuple[int, ...]) -> None:
    written(folder, {"layer.lora_A.weight": shape, "layer.lora_B.weight": (20, 4)})
    with pytest.raises(BadUpdate, match=r"layer\.lora_A\.weight is no matrix"):
        adapters.updates_in(folder, "lora", weights("layer"))


def test_one_factor_without_the_other_is_refused(folder: Path) -> None:
    written(folder, {"layer.lora_B.weight": (20, 4)})
    with pytest.raises(BadUpdate, match=r"layer\.lora_B\.weight"):
        adapters.updates_in(folder, "lora", weights("layer"))


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_settings_that_are_none_are_named(folder: Path, text: str) -> None:
    written(folder, pair("layer"))
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(BadUpdate, match=r"adapter_config\.json"):
        adapters.updates_in(folder, "lora", weights("layer"))
