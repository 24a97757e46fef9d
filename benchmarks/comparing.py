"""What it costs to see what changed in a model: in one commit, between two files, over a thousand commits.

    python benchmarks/comparing.py [--rounds 3] [--diffai VENV/bin/python] [--folder DIR]

diffai lives in an environment of its own: ``pip install diffai-python==0.5.2``; its neighbour git-lfs is on PATH.
Runs of what is compared alternate. Seconds are medians; memory is the peak of the largest process.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy
from git_commands import git
from git_commands import new_repository
from models import bert_shapes
from models import write_safetensors

import theta

MODEL = "model.safetensors"
COMMITS, GROUPS = 1000, 200
DIFFAI = "import sys, diffai; print(len(diffai.diff_paths(sys.argv[1], sys.argv[2])))"
MEASURED = (
    "import resource, subprocess, sys, time; t = time.perf_counter();"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print(time.perf_counter() - t, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)"
)
"""a process that runs nothing else, so that the peak is that of the command"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def cost(*command: str) -> Cost:
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
    return Cost(*map(float, done.stdout.split()))


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(one, name) for one in costs) for name in Cost.__slots__))


def print_table(rounds: int, commands: Mapping[str, Callable[[], Cost]], aims: Mapping[str, str]) -> None:
    """Run the commands in turn, and print a line for each."""
    costs: dict[str, list[Cost]] = {what: [] for what in commands}
    for _ in range(rounds):
        for what, run in commands.items():
            costs[what].append(run())
    for what, found in costs.items():
        one = median(found)
        times = f"{one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.megabytes:.0f}"
        print(f"| {what} | {times} | {aims.get(what, '')} |", flush=True)


def theta_program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def whole_model(folder: Path, rounds: int, diffai: str | None) -> None:
    """435 MB, 194 groups."""
    files = {}
    for name, groups in {"base": (), "tuned": ("",)}.items():
        files[name] = folder / f"{name}.safetensors"
        write_safetensors(files[name], bert_shapes(), groups, tuned=1)
    for tool in ("theta", "lfs"):
        repository = folder / tool
        new_repository(repository, tool, MODEL)
        for name in ("base", "tuned", "base"):
            shutil.copyfile(files[name], repository / MODEL)
            git(repository, "add", MODEL)
            git(repository, "commit", "-q", "-m", name)
    inside, lfs = str(folder / "theta"), str(folder / "lfs")
    git_theta, theta_diff = theta_program("git-theta"), theta_program("theta-diff")
    commits = ("HEAD~2", "HEAD~1")
    fine_tunes = itertools.count(2)

    def working_tree() -> Cost:
        """A file with a layer that this clone has not seen: another one each time."""
        write_safetensors(folder / "theta" / MODEL, bert_shapes(), ("encoder.layer.3.",), next(fine_tunes))
        return cost("git", "-C", inside, "diff")

    def lfs_add() -> Cost:
        git(folder / "lfs", "reset", "-q")
        shutil.copyfile(folder / "theta" / MODEL, folder / "lfs" / MODEL)
        return cost("git", "-C", lfs, "add", MODEL)

    commands = {
        "`git diff` of two commits, all groups changed, estimates": lambda: cost("git", "-C", inside, "diff", *commits),
        "`git theta diff --exact` of the same": lambda: in_folder(inside, git_theta, "diff", "--exact", *commits),
        "`git diff` of a new file and the index, one layer changed": working_tree,
        "git-lfs: `git add` of the same file": lfs_add,
        "`theta-diff` of two files, all groups changed, exact": lambda: cost(
            "sh", "-c", '"$@" || test $? = 1', "-", theta_diff, str(files["base"]), str(files["tuned"])
        ),
    }
    if diffai:
        program = (diffai, "-c", DIFFAI, str(files["base"]), str(files["tuned"]))
        commands["diffai of the same files"] = lambda: cost(*program)
    aims = dict(zip(commands, ("0.35 s", "2.5 s, 250 MB", "half of git-lfs", "", "diffai", ""), strict=False))
    print_table(rounds, commands, aims)


def in_folder(folder: str, *command: str) -> Cost:
    return cost("sh", "-c", 'cd "$1" && shift && exec "$@"', "-", folder, *command)


def long_history(folder: Path, rounds: int) -> None:
    """A thousand commits, each of which changes two of 200 groups."""
    repository = folder / "history"
    new_repository(repository, "theta", MODEL)
    random = numpy.random.default_rng(0)
    names = [f"encoder.layer.{index // 16}.part{index % 16}.weight" for index in range(GROUPS)]
    model = {name: random.standard_normal((24, 16), numpy.float32) for name in names}
    for number in range(COMMITS):
        for name in (names[number % GROUPS], names[(7 * number + 3) % GROUPS]):
            model[name] = model[name] + random.standard_normal((24, 16), numpy.float32) * numpy.float32(0.01)
        theta.save(model, MODEL, message=f"step {number}", repository=repository)
    command = (theta_program("git-theta"), "log", MODEL, names[17])
    what = f"`git theta log` of one of {GROUPS} groups, {COMMITS:,} commits"
    print_table(rounds, {what: lambda: in_folder(str(repository), *command)}, {what: "3 s"})


def many_groups(folder: Path, rounds: int, count: int, shape: tuple[int, ...], aim: str) -> None:
    """A mixture of experts, all of which changed."""
    repository = folder / f"experts-{count}"
    new_repository(repository, "theta", MODEL)
    random = numpy.random.default_rng(0)
    for message in ("base", "tuned"):
        names = (f"layers.{index // 100}.experts.{index % 100}.weight" for index in range(count))
        model = {name: random.standard_normal(shape, numpy.float32) for name in names}
        theta.save(model, MODEL, message=message, repository=repository)
    what = f"`git diff` of two commits, {count:,} groups of {numpy.prod(shape)} elements, all changed"
    print_table(rounds, {what: lambda: cost("git", "-C", str(repository), "diff", "HEAD~1", "HEAD")}, {what: aim})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--diffai", metavar="PYTHON", help="the interpreter in which diffai-python is installed")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    print("| what | seconds | CPU seconds | memory (MB) | aim |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        many_groups(Path(temporary), options.rounds, 20_000, (32, 32), "1.5 s")
        many_groups(Path(temporary), options.rounds, 50_000, (4,), "")
        long_history(Path(temporary), options.rounds)
        whole_model(Path(temporary), options.rounds, options.diffai)


if __name__ == "__main__":
    main()
