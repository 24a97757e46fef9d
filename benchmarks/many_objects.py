"""Push and clone of 10,000 objects in one go, beside git-lfs with as many files of the same size.

Both use the same git-lfs server on loopback (giftless), which answers two requests for each object that is sent and
one for each that is fetched.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from workflow import NAME
from workflow import Tool
from workflow import server
from workflow import size_of
from workflow import tools

GROUP = 5000
"""numbers of a group, in float32: from 16 KiB on, a group is an object of its own"""


def write(tool: Tool, count: int) -> None:
    """What is to be pushed: a checkpoint of so many groups, or so many files as large as their objects."""
    random = numpy.random.default_rng(0)
    if tool.name == "theta":
        save_file(
            {f"layer.{n:05}.weight": random.standard_normal(GROUP, numpy.float32) for n in range(count)},
            tool.repository / NAME,
        )
    else:
        for n in range(count):
            (tool.repository / f"{n:05}.bin").write_bytes(random.bytes(17 * GROUP // 5))


def contents(folder: Path) -> Iterator[bytes]:
    """What lies in a working tree, file by file."""
    return (path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def share(tool: Tool, storage: Path) -> None:
    """Push everything and clone it; the clone has to be the same."""
    with tool.timed("push"):
        tool.done("push", "--quiet", "origin", "main")
    tool.sizes["push"] = sum(1 for path in storage.rglob("*") if path.is_file())
    copy = tool.folder / "copy"
    with tool.timed("clone"):
        tool.done("clone", "--quiet", (tool.folder / "bare.git").as_uri(), str(copy))
    if any(one != other for one, other in zip(contents(tool.repository), contents(copy), strict=True)):
        raise SystemExit(f"{tool.name}: the clone differs")
    tool.sizes["clone"] = size_of(copy / ".git")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="objects")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    print("| tool | objects | push (s, s of processor) | clone (s, s of processor) |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary, server(Path(temporary) / "server") as url:
        for tool in tools(Path(temporary), None):
            tool.prepare(url)
            if tool.name == "git-lfs":
                tool.done("lfs", "track", "*.bin")
                tool.done("add", ".gitattributes")
            write(tool, options.count)
            tool.commit("all", "add", ".")
            share(tool, Path(temporary) / "server" / "lfs-storage" / tool.name)
            figures = [f"{tool.seconds[what]:.1f}, {tool.processor[what]:.1f}" for what in ("push", "clone")]
            print(f"| {tool.name} | {tool.sizes['push']} | {' | '.join(figures)} |", flush=True)
            shutil.rmtree(tool.folder)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"\nThe largest process had {most / 1024:.0f} MiB.")


if __name__ == "__main__":
    main()
