"""``--device``: values go there, and come back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.numpy import save_file

from tests.strategies.devices import OnDevice
from tests.strategies.devices import Pretended
from theta_merge import compute
from theta_merge import files
from theta_merge import reading
from theta_merge.tensors import tensor_of


def placed(array: Any, group: Any) -> torch.Tensor:
    """In the place of :func:`theta_merge.reading._placed`, which says ``to("cuda")``."""
    tensor = tensor_of(array)
    return OnDevice(tensor) if group.choice.options["device"] == "cuda" else tensor


def inside(function: Callable[..., Any], *arguments: Any) -> Any:
    with Pretended():
        return function(*arguments)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device, whatever the machine."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(reading, "_placed", placed)
    for name in ("merged", "seen", "surveyed", "merged_factors"):
        monkeypatch.setattr(compute, name, partial(inside, getattr(compute, name)))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three checkpoints, Fisher information, and adapters."""
    monkeypatch.chdir(tmp_path)
    random = numpy.random.default_rng(0)
    shapes = {"a": (30, 40), "b": (7,), "c": (), "a.lora_A.weight": (4, 40), "a.lora_B.weight": (30, 4)}
    for name in ("base", "ours", "theirs"):
        groups = {group: random.standard_normal(shape).astype(numpy.float32) for group, shape in shapes.items()}
        save_file({**groups, "half": groups["a"].astype(numpy.float16), "double": groups["a"].astype(float)}, name)
        everything = [*groups, "half", "double"]
        fisher = {each: random.random(groups.get(each, groups["a"]).shape).astype("f4") for each in everything}
        save_file(fisher, f"{name}.fisher.safetensors")
    Path("adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 8}')


@pytest.mark.parametrize(
    "options",
    [
        ("average",),
        ("ties", "density=0.3"),
        ("ties", "density=0.3", "scope=model"),
        ("breadcrumbs", "density=0.6", "lines=true"),
        ("dare-ties", "density=0.5", "rescale=l1"),
        ("della", "density=0.5"),
        ("slerp", "deltas=true"),
        ("karcher",),
        ("pcb",),
        ("tsv", "svc=true"),
        ("wudi",),
        ("fisher",),
        ("lora",),
        ("take-theirs",),
    ],
    ids=" ".join,
)
def test_what_comes_back_is_what_the_cpu_computes(models: None, device: None, options: tuple[str, ...]) -> None:
    strategy, *given = options
    words = [word for option in given for word in ("-X", option)]
    for name, where in (("here", "cpu"), ("there", "cuda")):
        arguments = ["base", "ours", "theirs", "-o", name, "-s", strategy, *words, "--device", where]
        sys.argv = ["theta-merge", *arguments]
        assert files.main() == 0
    assert Path("there").read_bytes() == Path("here").read_bytes()
