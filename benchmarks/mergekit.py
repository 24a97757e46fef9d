"""theta-merge and mergekit-pytorch on the same 435 MB checkpoints (194 groups, all in conflict), in turn.

    python benchmarks/mergekit.py --mergekit VENV/bin/mergekit-pytorch [--rounds 3] [--folder DIR]

mergekit 0.1.5 lives in an environment of its own: ``pip install torch==2.13.0 mergekit==0.1.5``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from models import bert_shapes
from models import write_safetensors

TARGETS = {"ties": ("0.10", "0.4"), "average": ("0.35", "")}
MERGEKIT_NAMES = {"average": "linear"}
OPTIONS = {"ties": ["-X", "density=0.5"], "average": []}
"""as in the configuration that mergekit is given"""


def made_models(folder: Path) -> dict[str, Path]:
    versions = {"base": 0, "ours": 1, "theirs": 2}
    for name, tuned in versions.items():
        write_safetensors(folder / f"{name}.safetensors", bert_shapes(), ("",), tuned)
    return {name: folder / f"{name}.safetensors" for name in versions}


def theta_command(strategy: str, models: dict[str, Path], out: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("theta-merge"))
    return [program, *map(str, models.values()), "-o", str(out), "--strategy", strategy, *OPTIONS[strategy]]


def mergekit_command(program: str, strategy: str, models: dict[str, Path], out: Path) -> list[str]:
    config = out.with_suffix(".yml")
    base = f"base_model: {models['base']}\n" if strategy != "average" else ""
    listed = "".join(
        f"  - model: {models[side]}\n    parameters: {{weight: 1.0, density: 0.5}}\n" for side in ("ours", "theirs")
    )
    method = MERGEKIT_NAMES.get(strategy, strategy)
    config.write_text(f"merge_method: {method}\n{base}models:\n{listed}dtype: float32\n")
    return [program, str(config), str(out)]


def cost(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MB of a command, measured by a process that runs nothing else."""
    script = (
        "import resource, subprocess, sys, time; t = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=2);"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mergekit", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        run(Path(temporary), options.mergekit, options.rounds)


def run(folder: Path, mergekit: str, rounds: int) -> None:
    models = made_models(folder)
    print("| strategy | theta (s, MB) | mergekit (s, MB) | time ratio (target) | memory ratio (target) |")
    print("| --- | --- | --- | --- | --- |")
    for strategy, (time_target, memory_target) in TARGETS.items():
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(cost(theta_command(strategy, models, folder / "ours.out.safetensors")))
            theirs.append(cost(mergekit_command(mergekit, strategy, models, folder / "mergekit")))
        (a, a_mb), (b, b_mb) = (
            [statistics.median(column) for column in zip(*rows, strict=True)] for rows in (ours, theirs)
        )
        print(
            f"| {strategy} | {a:.1f}, {a_mb:.0f} | {b:.1f}, {b_mb:.0f} "
            f"| {a / b:.2f} ({time_target}) | {a_mb / b_mb:.2f} ({memory_target}) |"
        )


if __name__ == "__main__":
    main()
