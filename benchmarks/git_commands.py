"""The same git commands on a 435 MB checkpoint with theta and with git-lfs, in turn, as ratios.

    python benchmarks/git_commands.py [--rounds 3] [--format safetensors|pt] [--folder DIR]

Every round runs both tools on fresh repositories; the table shows medians over the rounds, and the ratio of
medians. Then the filter's peak memory, for this file and for one four times as large.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from models import bert_shapes
from models import write_safetensors
from models import write_torch

PYTHON = shlex.quote(sys.executable)
FILTER = f"{PYTHON} -E -P -m theta_filter.process"
THETA_CONFIG = {
    "filter.theta.process": f"exec {FILTER}",
    "filter.theta.required": "true",
    "diff.theta.command": f"{PYTHON} -E -P -m theta_diff.driver",
    "merge.theta.driver": f"{PYTHON} -E -P -m theta_merge.driver %O %A %B %L %P %S %X %Y",
}
LFS_CONFIG = {
    "filter.lfs.process": "git-lfs filter-process",
    "filter.lfs.clean": "git-lfs clean -- %f",
    "filter.lfs.smudge": "git-lfs smudge -- %f",
    "filter.lfs.required": "true",
}
TUNED: dict[str, tuple[str, ...]] = {
    "base": (),
    "ours": ("encoder.layer.3.",),
    "theirs": ("encoder.layer.3.", "encoder.layer.7."),
}
TARGETS = {
    "first add": 1.0,
    "add, one layer changed": 0.6,
    "status after touch": 0.5,
    "checkout": 1.2,
}


def git(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PAGER": "cat"}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def seconds(folder: Path, *arguments: str) -> float:
    """Wall time of one git command, with nothing left to write from before."""
    os.sync()
    start = time.perf_counter()
    git(folder, *arguments)
    return time.perf_counter() - start


def new_repository(folder: Path, tool: str, name: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    config = THETA_CONFIG if tool == "theta" else LFS_CONFIG
    for key, value in {**config, "user.name": "b", "user.email": "b@example.org"}.items():
        git(folder, "config", key, value)
    (folder / ".gitattributes").write_text(f"{name} filter={tool} diff={tool} merge={tool} -text\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-q", "-m", "track")


def measured(folder: Path, tool: str, versions: dict[str, Path]) -> dict[str, float]:
    """Seconds by command, in one fresh repository."""
    name = versions["base"].name
    new_repository(folder, tool, name)
    times = {}
    shutil.copyfile(versions["base"], folder / name)
    times["first add"] = seconds(folder, "add", name)
    git(folder, "commit", "-q", "-m", "base")
    shutil.copyfile(versions["ours"], folder / name)
    times["add, one layer changed"] = seconds(folder, "add", name)
    git(folder, "commit", "-q", "-m", "ours")
    time.sleep(1.1)
    git(folder, "status")
    os.utime(folder / name)
    times["status after touch"] = seconds(folder, "status")
    times["checkout"] = seconds(folder, "checkout", "-q", "HEAD~1")
    if (folder / name).read_bytes() != versions["base"].read_bytes():
        raise SystemExit(f"{tool}: checkout is not byte-identical")
    git(folder, "checkout", "-q", "main")
    times["diff HEAD~1 HEAD"] = seconds(folder, "diff", "HEAD~1", "HEAD")
    return times


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def peak_memory(folder: Path, model: Path) -> dict[str, int]:
    """Peak KiB of the filter process by direction."""
    new_repository(folder, "theta", model.name)
    report = folder / ".git" / "peak"
    wrapped = f"exec {PYTHON} {shlex.quote(str(Path(__file__).with_name('peak_memory.py')))} {report} {FILTER}"
    shutil.copyfile(model, folder / model.name)
    git(folder, "-c", f"filter.theta.process={wrapped}", "add", model.name)
    peaks = {"clean": int(report.read_text())}
    git(folder, "commit", "-q", "-m", "model")
    (folder / model.name).unlink()
    git(folder, "-c", f"filter.theta.process={wrapped}", "checkout", model.name)
    return {**peaks, "smudge": int(report.read_text())}


def made_models(folder: Path, suffix: str) -> dict[str, Path]:
    write = write_torch if suffix == "pt" else write_safetensors
    versions = {}
    for version, groups in TUNED.items():
        versions[version] = folder / version / f"model.{suffix}"
        versions[version].parent.mkdir()
        write(versions[version], bert_shapes(), groups, tuned=1)
    return versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--format", choices=("safetensors", "pt"), default="safetensors")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        run(Path(temporary), options.rounds, options.format)


def run(folder: Path, rounds: int, suffix: str) -> None:
    versions = made_models(folder, suffix)
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for tool in ("theta", "lfs"):
            for command, value in measured(folder / tool, tool, versions).items():
                times[command][tool].append(value)
    print(f"| command ({suffix}, median of {rounds}) | theta (s) | git-lfs (s) | ratio | target |")
    print("| --- | --- | --- | --- | --- |")
    for command, by_tool in times.items():
        ours, lfs = (statistics.median(by_tool[tool]) for tool in ("theta", "lfs"))
        print(f"| {command} | {ours:.2f} | {lfs:.2f} | {ours / lfs:.2f} | {TARGETS.get(command, '')} |")
    print_store(folder, versions["base"])
    print_peaks(folder, versions["base"], suffix)


def print_store(folder: Path, model: Path) -> None:
    new_repository(folder / "theta", "theta", model.name)
    shutil.copyfile(model, folder / "theta" / model.name)
    git(folder / "theta", "add", model.name)
    share = stored_bytes(folder / "theta" / ".git" / "theta") / model.stat().st_size
    print(f"\nstore after first add: {share:.3f} of the raw bytes (target 0.89)")


def print_peaks(folder: Path, model: Path, suffix: str) -> None:
    large = folder / f"large.{suffix}"
    (write_torch if suffix == "pt" else write_safetensors)(large, bert_shapes(layers=58), tuned=0)
    for path in (model, large):
        peaks = peak_memory(folder / "theta", path)
        text = ", ".join(f"{direction} {kib / 1024:.0f} MiB" for direction, kib in peaks.items())
        print(f"filter peak memory, {path.stat().st_size / 1e6:.0f} MB file: {text} (target 300)")


if __name__ == "__main__":
    main()
