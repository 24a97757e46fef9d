"""`git merge --strategy average` of a 435 MB checkpoint, beside git-lfs's checkout of the merged file; and its memory.

    python benchmarks/merging.py [--rounds 3] [--sizes 0.435,4] [--folder DIR]

Both branches changed the same 32 of 194 groups. Every round does in turn the merge, git-lfs's checkout of the file
that came out, and the start of a Python that imports torch. Then the merge driver's peak memory, by file size (GB).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy
from git_commands import PYTHON
from git_commands import git
from git_commands import new_repository
from git_commands import seconds
from models import LAYERS
from models import bert_shapes
from models import write_safetensors

NAME = "model.safetensors"
BOTH = ("encoder.layer.3.", "encoder.layer.7.")
DRIVER = f"{PYTHON} -E -P -m theta_merge.driver %O %A %B %L %P %S %X %Y"
GB_A_LAYER = 0.02835


def forked(folder: Path, layers: int) -> None:
    """A repository whose branches main and side changed the groups of two layers."""
    new_repository(folder, "theta", NAME)
    write_safetensors(folder / NAME, bert_shapes(layers))
    git(folder, "add", NAME)
    git(folder, "commit", "-q", "-m", "base")
    git(folder, "switch", "-q", "-c", "side")
    tune(folder / NAME, 1)
    git(folder, "commit", "-q", "-a", "-m", "theirs")
    git(folder, "switch", "-q", "main")
    tune(folder / NAME, 2)
    git(folder, "commit", "-q", "-a", "-m", "ours")


def tune(path: Path, seed: int) -> None:
    """Add a fine-tune's update to the groups of two layers, in place."""
    random = numpy.random.default_rng(seed)
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        for name, facts in json.loads(file.read(length)).items():
            if name.startswith(BOTH):
                start, end = facts["data_offsets"]
                file.seek(8 + length + start)
                values = numpy.frombuffer(file.read(end - start), numpy.float32)
                file.seek(8 + length + start)
                update = random.standard_normal(len(values), numpy.float32) * numpy.float32(0.001)
                file.write((values + update).tobytes())


def speed(folder: Path, rounds: int) -> None:
    theta, lfs = folder / "theta", folder / "lfs"
    forked(theta, LAYERS)
    git(theta, "merge", "--no-edit", "--strategy", "average", "side")
    new_repository(lfs, "lfs", NAME)
    for source in ("HEAD~1", "HEAD"):
        git(theta, "checkout", "-q", source)
        shutil.copyfile(theta / NAME, lfs / NAME)
        git(lfs, "add", NAME)
        git(lfs, "commit", "-q", "-m", source)
        git(theta, "checkout", "-q", "main")
    times: dict[str, list[float]] = {"merge": [], "git-lfs checkout": [], "import torch": []}
    for _ in range(rounds):
        git(theta, "reset", "-q", "--hard", "HEAD~1")
        times["merge"].append(seconds(theta, "merge", "--no-edit", "--strategy", "average", "side"))
        git(lfs, "checkout", "-q", "HEAD~1")
        times["git-lfs checkout"].append(seconds(lfs, "checkout", "-q", "-"))
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import theta_merge.compute"], check=True)
        times["import torch"].append(time.perf_counter() - start)
    merge, checkout, torch = (statistics.median(times[what]) for what in times)
    print("| what (median) | seconds |\n| --- | --- |")
    for what, value in zip(times, (merge, checkout, torch), strict=True):
        print(f"| {what} | {value:.2f} |")
    print(f"\n(merge - import torch) / git-lfs checkout: {(merge - torch) / checkout:.2f} (aim 1.3)")


def memory(folder: Path, size: float) -> None:
    """Print the merge driver's peak memory for a file of ``size`` GB."""
    repository, report = folder / "memory", folder / "peak"
    forked(repository, max(LAYERS, round((size - 0.0954) / GB_A_LAYER)))
    wrapped = f"exec {PYTHON} {shlex.quote(str(Path(__file__).with_name('peak_memory.py')))} {report} {DRIVER}"
    git(repository, "-c", f"merge.theta.driver={wrapped}", "merge", "--no-edit", "--strategy", "average", "side")
    actual = (repository / NAME).stat().st_size / 1e9
    print(f"merge driver peak memory, {actual:.2f} GB file: {int(report.read_text()) / 1024:.0f} MiB")
    shutil.rmtree(repository)


def sizes(text: str) -> Sequence[float]:
    return [float(size) for size in text.split(",") if size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="0: no timing")
    parser.add_argument("--sizes", type=sizes, default=[0.435, 4.0], help="GB, for the memory")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        if options.rounds:
            speed(Path(temporary), options.rounds)
        for size in options.sizes:
            memory(Path(temporary), size)


if __name__ == "__main__":
    main()
