"""Every deterministic method that mergekit has, by both programs on the same files.

    python benchmarks/mergekit_parity.py --mergekit VENV/bin/mergekit-pytorch

Prints the largest difference of each, relative to the largest value, in float32 and in float64, which tells other
formulas from rounding. Exits with 1 if one is above 1e-6.
Where the defaults differ, the options that make theta do what mergekit 0.1.5 does are part of the case.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import load_file
from safetensors.numpy import save_file

SHAPES = {"embed.weight": (200, 48), "block.0.weight": (48, 96), "block.0.bias": (48,), "conv.weight": (16, 8, 3, 3)}
LIMIT = 1e-6


@dataclass(frozen=True)
class Case:
    """One method with options, as either program takes them."""

    strategy: str
    method: str
    options: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """of mergekit"""
    models: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """of mergekit, one per side"""
    sides: int = 2
    base: bool = True
    """whether mergekit is given the base; else ours where it wants one"""
    few: float = 0.0
    """share of values that may differ, where thresholds flip on the last bit"""


CASES = (
    Case("average", "linear", {"weights": "0.7,0.3"}, models={"weight": (0.7, 0.3)}, base=False),
    Case("average", "linear", {"normalize": "false"}, {"normalize": False}, {"weight": (1.0, 1.0)}, base=False),
    Case("slerp", "slerp", {"t": "0.3"}, {"t": 0.3}, base=False),
    Case("nuslerp", "nuslerp", {"weights": "1,2"}, models={"weight": (1.0, 2.0)}),
    Case(
        "nuslerp",
        "nuslerp",
        {"flatten": "false", "angles": "input"},
        {"nuslerp_flatten": False},
        {"weight": (1.0, 1.0)},
    ),
    Case(
        "nuslerp",
        "nuslerp",
        {"flatten": "false", "row_wise": "true", "angles": "input"},
        {"nuslerp_flatten": False, "nuslerp_row_wise": True},
        {"weight": (1.0, 1.0)},
    ),
    Case("multislerp", "multislerp", {"weights": "1,2,0.5", "deltas": "true"}, models={"weight": (1, 2, 0.5)}, sides=3),
    Case("karcher", "karcher", {}, sides=3, base=False),
    Case(
        "task-arithmetic",
        "task_arithmetic",
        {"weights": "2,1,-0.5", "scale": "0.3"},
        {"lambda": 0.3},
        {"weight": (2.0, 1.0, -0.5)},
        sides=3,
    ),
    Case("task-arithmetic", "task_arithmetic", {"normalize": "true"}, {"normalize": True}, {"weight": (1.0, 1.0)}),
    Case("ties", "ties", {"density": "0.5"}, models={"weight": (1.0, 1.0), "density": (0.5, 0.5)}),
    Case(
        "ties",
        "ties",
        {"density": "0.3", "weights": "1,-0.4,2", "divisor": "signed", "scale": "1.5"},
        {"lambda": 1.5},
        {"weight": (1.0, -0.4, 2.0), "density": (0.3, 0.3, 0.3)},
        sides=3,
    ),
    Case(
        "ties",
        "ties",
        {"density": "0.4", "normalize": "false", "rescale": "l1"},
        {"normalize": False, "rescale": True},
        {"weight": (1.0, 1.0), "density": (0.4, 0.4)},
    ),
    Case(
        "breadcrumbs",
        "breadcrumbs",
        {"density": "0.7", "gamma": "0.05"},
        models={"weight": (1.0, 1.0), "density": (0.7, 0.7), "gamma": (0.05, 0.05)},
    ),
    Case(
        "breadcrumbs-ties",
        "breadcrumbs_ties",
        {"density": "0.7", "gamma": "0.05", "weights": "1,0.5"},
        models={"weight": (1.0, 0.5), "density": (0.7, 0.7), "gamma": (0.05, 0.05)},
    ),
    Case("sce", "sce", {"floor": "1e-6"}, sides=3),
    Case("sce", "sce", {"floor": "1e-6", "select_topk": "0.4"}, {"select_topk": 0.4}, sides=3),
    Case("ram", "ram", {"epsilon": "1e-5"}, sides=3),
    Case("ramplus", "ramplus_tl", {"epsilon": "1e-5", "scope": "tensor"}, sides=3),
    Case("model-stock", "model_stock", {"floor": "1e-6", "clamp": "false"}, sides=3),
    Case(
        "model-stock",
        "model_stock",
        {"floor": "1e-6", "clamp": "false", "filter_wise": "true", "angles": "input"},
        {"filter_wise": True},
        sides=3,
    ),
    Case("nearswap", "nearswap", {"t": "0.01"}, {"t": 0.01}, base=False),
    Case("arcee-fusion", "arcee_fusion", base=False, few=1e-3),
    Case("passthrough", "passthrough", {"scale": "0.5"}, models={"scale": (0.5,)}, sides=1, base=False),
)


def made_models(folder: Path, dtype: str) -> None:
    """A base and three sides that changed most values of every group."""
    for number, name in enumerate(("base", "side1", "side2", "side3")):
        groups = {}
        for index, (group, shape) in enumerate(SHAPES.items()):
            values = numpy.random.default_rng(index).standard_normal(shape) * 0.2
            random = numpy.random.default_rng([index, number])
            if number:
                values += random.standard_normal(shape) * 0.05 * (random.random(shape) < 0.8)
            groups[group] = values.astype(dtype)
        save_file(groups, folder / f"{name}.safetensors")


def by_theta(case: Case, folder: Path) -> dict[str, Any]:
    """What theta makes of a case."""
    sides = [f"side{i + 1}" for i in range(case.sides)]
    base = "-" if case.strategy in ("slerp", "passthrough") else str(folder / "base.safetensors")
    given = [base, *(str(folder / f"{side}.safetensors") for side in sides)]
    options = [part for name, value in case.options.items() for part in ("-X", f"{name}={value}")]
    out = folder / "theta.safetensors"
    program = str(Path(sys.executable).with_name("theta-merge"))
    command = [program, *given, "-o", str(out), "--strategy", case.strategy, "-X", "shortcuts=false", *options]
    subprocess.run(command, check=True, capture_output=True)
    return load_file(out)


def by_mergekit(case: Case, folder: Path, program: str, dtype: str) -> dict[str, Any]:
    """What mergekit makes of it."""
    sides = [str(folder / f"side{i + 1}.safetensors") for i in range(case.sides)]
    listed = [
        {"model": side, "parameters": {name: values[i] for name, values in case.models.items()}}
        for i, side in enumerate(sides)
    ]
    config = {"merge_method": case.method, "models": listed, "parameters": dict(case.parameters), "dtype": dtype}
    if case.base or case.method in ("slerp", "nearswap", "arcee_fusion"):
        config["base_model"] = str(folder / "base.safetensors") if case.base else sides[0]
    (folder / "config.yml").write_text(json.dumps(config))
    out = folder / "mergekit"
    subprocess.run([program, str(folder / "config.yml"), str(out)], check=True, capture_output=True)
    return {name: array for file in out.glob("*.safetensors") for name, array in load_file(file).items()}


def difference(ours: Mapping[str, Any], theirs: Mapping[str, Any], few: float) -> float:
    """The largest difference relative to the largest value of its group, but for a ``few`` values."""
    found = []
    for name, array in ours.items():
        away = numpy.sort(numpy.abs(array - theirs[name]).ravel()) / numpy.abs(theirs[name]).max()
        found.append(away[-1 - int(few * away.size)])
    return float(max(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mergekit", required=True)
    program = parser.parse_args().mergekit
    worst = 0.0
    print("| theta | mergekit | in float32 | in float64 |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for case in CASES:
            found = []
            for dtype in ("float32", "float64"):
                made_models(folder, dtype)
                found.append(difference(by_theta(case, folder), by_mergekit(case, folder, program, dtype), case.few))
            worst = max(worst, *found)
            shown = " ".join([case.strategy, *(f"{name}={value}" for name, value in case.options.items())])
            print(f"| {shown} | {case.method} | {found[0]:.1e} | {found[1]:.1e} |", flush=True)
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
