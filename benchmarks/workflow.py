"""The example workflow of git-theta's paper, scaled down: bytes per commit, and push and clone, of three tools.

    python benchmarks/workflow.py [--git-theta VENV/bin] [--change 0.01] [--trained FOLDER] [--folder DIR]

A model in float32, as safetensors: base -> LoRA -> fine-tune on a branch -> fine-tune on main -> average of both ->
some rows of the embedding removed (Kandpal et al. 2023, arXiv 2306.04529, section 4). Each tool does it with its own
commands, from git add to git clone, of the same checkpoints, and all push to the same git-lfs server (giftless, on
loopback) and a bare repository.

The model is a made-up one in the shape of T5, and every fine-tune moves every number, by CHANGE of its group's norm in
all; or FOLDER holds a real one and its fine-tunes, as `trained.py` leaves them.

VENV is one where git-theta 0.2.0 is installed; without it, its columns are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray
from safetensors.numpy import load_file
from safetensors.numpy import save_file

NAME = "model.safetensors"
RANK = 8
STEPS = ("base", "LoRA", "fine-tune on a branch", "fine-tune on main", "average", "embedding rows removed")
SERVE = """
import sys
from giftless.app import init_app
from giftless.storage.local_storage import LocalStorage
from werkzeug.serving import run_simple
from werkzeug.wsgi import FileWrapper
opened = LocalStorage.get
LocalStorage.get = lambda *place: FileWrapper(opened(*place), 1 << 20)
run_simple("127.0.0.1", int(sys.argv[1]), init_app(), threaded=True)
"""
"""giftless, which by itself sends a file line by line: that took it six seconds of its processor for 300 MB"""

AVERAGE = """
import sys
import git_theta.scripts.git_theta_merge as merge
merge.PromptSession.prompt = lambda self, text, validator, **rest: "avg-ab"
merge.prompt = lambda *rest, **more: "0.5"
merge.main()
"""
"""git-theta's merge driver, with the answers that a user would type for each parameter"""

EMBEDDINGS = ("shared.weight", "embeddings.word_embeddings.weight")
"""the groups that lose rows"""

Groups = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Versions:
    """The values of the workflow: the base, the factors of its LoRA, and two fine-tunes of both together."""

    base: Groups
    lora: Groups
    branch: Groups
    main: Groups

    @property
    def average(self) -> Groups:
        pairs = {name: (values, self.main[name]) for name, values in self.branch.items()}
        return {
            name: one if numpy.array_equal(one, other) else (one + other) / 2 for name, (one, other) in pairs.items()
        }


@dataclass
class Tool:
    """One way to keep checkpoints in git."""

    name: str
    folder: Path
    programs: Path
    """where its executables are"""
    install: tuple[tuple[str, ...], ...]
    track: tuple[str, ...]
    updates: bool = True
    """whether it can add the factors of an update alone"""
    sizes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    """seconds that all its processes computed"""
    notes: list[str] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "HOME": str(self.folder),
            "PATH": os.pathsep.join([str(self.programs), os.environ["PATH"]]),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_THETA_CHECKPOINT_TYPE": "safetensors",
        }

    def git(self, *arguments: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A git command that may fail; what it says is looked at where it matters."""
        return subprocess.run(
            ["git", *arguments],
            cwd=where or self.repository,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: str) -> None:
        result = self.git(*arguments)
        if result.returncode:
            raise SystemExit(f"{self.name}: git {' '.join(arguments)}: {result.stderr[-2000:]}")

    def prepare(self, url: str) -> None:
        self.repository.mkdir(parents=True)
        config = {"user.name": "b", "user.email": "b@example.org", "init.defaultBranch": "main", "gc.auto": "0"}
        lfs = {"lfs.url": f"{url}/{self.name}/models", "lfs.locksverify": "false", "advice.detachedHead": "false"}
        for key, value in {**config, **lfs}.items():
            self.done("config", "--global", key, value)
        for command in self.install:
            self.done(*command)
        self.done("init", "--quiet")
        self.done("init", "--quiet", "--bare", str(self.folder / "bare.git"))
        self.done("remote", "add", "origin", (self.folder / "bare.git").as_uri())
        self.done(*self.track)
        self.done("add", ".gitattributes")

    def commit(self, step: str, *arguments: str) -> None:
        """Run the command that makes a step's version and commit; note its bytes and time."""
        before = size_of(self.repository / ".git")
        with self.timed(step):
            self.done(*arguments)
            if arguments[0] != "merge":
                self.done("commit", "--quiet", "-m", step)
        self.sizes[step] = size_of(self.repository / ".git") - before

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        os.sync()
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        yield
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds[what] = time.perf_counter() - start
        self.processor[what] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def check(self, step: str, expected: Groups) -> None:
        """Note by how much the checkpoint that the tool checks out is wrong."""
        (self.repository / NAME).unlink()
        if (result := self.git("checkout", "--", NAME)).returncode:
            raise SystemExit(f"{self.name}: it cannot check out what it committed: {result.stderr[-500:]}")
        found = load_file(self.repository / NAME)
        error = max(float(abs(values - found[name]).max()) for name, values in expected.items())
        if error > 1e-6:
            self.notes.append(f"{self.name}: {step} is wrong by up to {error:.2g}")

    def write(self, groups: Groups) -> None:
        save_file(groups, self.repository / NAME)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def shapes(width: int, layers: int) -> dict[str, tuple[int, ...]]:
    """T5's groups: an encoder and a decoder of ``layers`` layers each, and an embedding of 1/20 of the numbers."""
    inner = 5 * width // 2
    found: dict[str, tuple[int, ...]] = {"shared.weight": (4096, width)}
    for side, attentions in (("encoder", ("Self",)), ("decoder", ("Self", "EncDec"))):
        for layer in range(layers):
            block = f"{side}.block.{layer}.layer"
            for index, attention in enumerate(attentions):
                for part in "qkvo":
                    found[f"{block}.{index}.{attention}Attention.{part}.weight"] = (width, width)
                found[f"{block}.{index}.layer_norm.weight"] = (width,)
            dense = f"{block}.{len(attentions)}.DenseReluDense"
            found |= {f"{dense}.wi_{part}.weight": (inner, width) for part in (0, 1)}
            found |= {f"{dense}.wo.weight": (width, inner), f"{block}.{len(attentions)}.layer_norm.weight": (width,)}
    return found


def base_values(width: int, layers: int) -> Groups:
    random = numpy.random.default_rng(0)
    return {
        name: random.standard_normal(shape, numpy.float32) * numpy.float32(0.05)
        for name, shape in shapes(width, layers).items()
    }


def factors(groups: Groups) -> Groups:
    """LoRA of all queries and values: GROUP/R and GROUP/C."""
    random = numpy.random.default_rng(1)
    found: Groups = {}
    for name, values in groups.items():
        if name.endswith((".q.weight", ".v.weight")):
            rows, columns = values.shape
            found[f"{name}/R"] = random.standard_normal((rows, RANK), numpy.float32) * numpy.float32(0.01)
            found[f"{name}/C"] = random.standard_normal((RANK, columns), numpy.float32) * numpy.float32(0.01)
    return found


def adapted(base: Groups, lora: Groups) -> Groups:
    """The base with its LoRA added, in float64, rounded once."""
    names = {name.rpartition("/")[0] for name in lora}
    updates = {name: lora[f"{name}/R"].astype(float) @ lora[f"{name}/C"].astype(float) for name in names}
    return {name: (values + updates.get(name, 0)).astype(values.dtype) for name, values in base.items()}


def fine_tuned(groups: Groups, change: float, seed: int) -> Groups:
    random = numpy.random.default_rng(seed)
    return {
        name: values + random.standard_normal(values.shape, numpy.float32) * (values.std() * numpy.float32(change))
        for name, values in groups.items()
    }


def made_up(width: int, layers: int, change: float) -> Versions:
    base = base_values(width, layers)
    lora = factors(base)
    start = adapted(base, lora)
    return Versions(base, lora, fine_tuned(start, change, 2), fine_tuned(start, change, 3))


def trained(folder: Path) -> Versions:
    return Versions(*(load_file(folder / f"{name}.safetensors") for name in ("base", "lora", "branch", "main")))


def work(tool: Tool, versions: Versions) -> None:
    """The workflow, by one tool."""
    tool.write(versions.base)
    tool.commit("base", "add", NAME)
    start = adapted(versions.base, versions.lora)
    if tool.updates:
        save_file(versions.lora, tool.folder / "lora.safetensors")
        options = ("--update-type", "low-rank", "--update-data", str(tool.folder / "lora.safetensors"))
        tool.commit("LoRA", "theta", "add", NAME, *options)
    else:
        tool.write(start)
        tool.commit("LoRA", "add", NAME)
    tool.check("LoRA", start)
    tool.done("switch", "--quiet", "-c", "branch")
    tool.write(versions.branch)
    tool.commit("fine-tune on a branch", "add", NAME)
    tool.done("switch", "--quiet", "main")
    tool.write(versions.main)
    tool.commit("fine-tune on main", "add", NAME)
    merged = versions.average
    average(tool, merged)
    tool.check("average", merged)
    tool.write({name: values[:-16] if name in EMBEDDINGS else values for name, values in merged.items()})
    tool.commit("embedding rows removed", "add", NAME)


def average(tool: Tool, merged: Groups) -> None:
    match tool.name:
        case "theta":
            tool.commit("average", "merge", "--quiet", "--strategy", "average", "branch")
        case "git-theta":
            script = tool.folder / "average.py"
            script.write_text(AVERAGE)
            driver = f"{tool.programs / 'python'} {script} %O %A %B %P"
            result = tool.git("-c", f"merge.theta.driver={driver}", "merge", "--no-edit", "branch")
            if result.returncode == 0:
                raise SystemExit("git-theta averages: measure its own merge instead of the file's")
            why = next((line for line in reversed(result.stderr.splitlines()) if "Error: " in line), result.stderr)
            tool.notes.append(f"git-theta: its average cannot be checked out, and git merge fails: {why.strip()}")
            tool.done("reset", "--quiet", "--hard")
            add_average(tool, merged)
        case _:
            add_average(tool, merged)


def add_average(tool: Tool, merged: Groups) -> None:
    """The average, computed outside of git, as the result of the merge."""
    tool.done("merge", "--quiet", "--strategy", "ours", "--no-commit", "branch")
    tool.write(merged)
    tool.commit("average", "add", NAME)


def share(tool: Tool, server: Path) -> None:
    """Push everything, and clone it."""
    before = size_of(server)
    with tool.timed("push"):
        result = tool.git("push", "--quiet", "origin", "main", "branch")
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line and "DEBUG" not in line]
        tool.notes.append(f"{tool.name}: git push fails: {lines[-2] if len(lines) > 1 else lines}")
        return
    tool.sizes["push"] = size_of(server) - before + size_of(tool.folder / "bare.git")
    copy = tool.folder / "copy"
    with tool.timed("clone"):
        result = tool.git("clone", "--quiet", (tool.folder / "bare.git").as_uri(), str(copy))
    if result.returncode or (copy / NAME).read_bytes() != (tool.repository / NAME).read_bytes():
        tool.notes.append(f"{tool.name}: the clone has not the checkpoint: {result.stderr.strip()[-300:]}")
        return
    tool.sizes["clone"] = size_of(copy / ".git")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a git-lfs server that keeps its objects in the folder."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GIFTLESS_CONFIG_STR": 'AUTH_PROVIDERS: ["giftless.auth.allow_anon:read_write"]'}
    command = [sys.executable, "-W", "ignore", "-c", SERVE, str(port)]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=-3, stderr=-3) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                with contextlib.suppress(urllib.error.HTTPError):
                    try:
                        urllib.request.urlopen(url).close()
                    except urllib.error.HTTPError:
                        break
                    except OSError:
                        time.sleep(0.1)
            yield url
        finally:
            process.kill()


def tools(folder: Path, git_theta: Path | None) -> list[Tool]:
    ours = Path(sys.executable).parent
    lfs = ("lfs", "install", "--skip-repo")
    found = [
        Tool("theta", folder / "theta", ours, (lfs, ("theta", "install", "--global")), ("theta", "track", NAME)),
        Tool("git-lfs", folder / "lfs", ours, (lfs,), ("lfs", "track", NAME), updates=False),
    ]
    if git_theta:
        install = (lfs, ("theta", "install"))
        found.append(Tool("git-theta", folder / "git-theta", git_theta.absolute(), install, ("theta", "track", NAME)))
    return found


def print_tables(found: list[Tool], raw: int) -> None:
    names = " | ".join(f"{tool.name} (MB)" for tool in found)
    print(f"| commit ({raw / 1e6:.0f} MB checkpoint) | {names} | of git-lfs | of git-theta |")
    print(f"| --- |{' --- |' * (len(found) + 2)}")
    for step in STEPS:
        print(f"| {step} | {cells(found, [tool.sizes[step] for tool in found])} |")
    print(f"| in all | {cells(found, [sum(tool.sizes[step] for step in STEPS) for tool in found])} |")
    print(
        f"\n| with the same server | {' | '.join(f'{t.name} (s, s of processor, MB)' for t in found)} | s of git-lfs |"
    )
    print(f"| --- |{' --- |' * (len(found) + 1)}")
    for what in ("push", "clone"):
        texts = [f"{timing(t, [what])}, {t.sizes[what] / 1e6:.0f}" if what in t.sizes else "fails" for t in found]
        print(f"| {what} | {' | '.join(texts)} | {found[0].seconds[what] / found[1].seconds[what]:.2f} |")
    ours, lfs = (sum(tool.seconds[step] for step in STEPS) for tool in found[:2])
    print(f"| the six commits | {' | '.join(timing(tool, STEPS) for tool in found)} | {ours / lfs:.2f} |")
    for note in (note for tool in found for note in tool.notes):
        print(f"\n{note}")


def timing(tool: Tool, steps: Sequence[str]) -> str:
    return f"{sum(tool.seconds[step] for step in steps):.1f}, {sum(tool.processor[step] for step in steps):.1f}"


def cells(found: list[Tool], sizes: list[int]) -> str:
    ratios = [f"{sizes[0] / size:.2f}" for size in sizes[1:]]
    return " | ".join([*(f"{size / 1e6:.1f}" for size in sizes), *ratios, *([] if len(found) > 2 else [""])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--git-theta", type=Path, help="the bin folder of an environment with git-theta 0.2.0")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--change", type=float, default=0.01, help="of a made-up fine-tune, relative; 0.01 by default")
    parser.add_argument("--trained", type=Path, help="a folder that trained.py made, instead of made-up values")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    made = (options.width, options.layers, options.change)
    versions = trained(options.trained) if options.trained else made_up(*made)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        found = tools(folder, options.git_theta)
        with server(folder / "server") as url:
            for tool in found:
                tool.prepare(url)
                work(tool, versions)
                share(tool, folder / "server")
                shutil.rmtree(tool.folder)
        print_tables(found, sum(values.nbytes for values in versions.base.values()))


if __name__ == "__main__":
    main()
