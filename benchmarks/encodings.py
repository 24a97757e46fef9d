"""How small a version is beside the one it came from, and what choosing the encoding costs.

    python benchmarks/encodings.py [--corpus FOLDER] [--rounds 3] [--layers 4]

Three tables: a real fine-tune (CHGNet 0.3.0 and its r2SCAN transfer, from the package chgnet on PyPI, which
pip downloads unless FOLDER holds it) in float32 and cast to bfloat16; ten fine-tunes of one base; and the time
to add a version with the earlier one to lean on, as a ratio to the time without.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
from models import bert_shapes
from models import group_values
from numcodecs import blosc
from numpy.typing import NDArray
from safetensors.numpy import save

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_store.capture import captured
from theta_store.chains import chain
from theta_store.checkpoint import StoredCheckpoint
from theta_store.checkpoint import opened
from theta_store.encodings import delta
from theta_store.encodings import dense
from theta_store.identify import identified
from theta_store.restore import restored
from theta_store.store import Store
from theta_store.values import array

WHEEL = "chgnet==0.4.2"
BASE = "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"
TUNED = "chgnet/pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar"

Groups = dict[str, NDArray[Any]]
DTYPES: dict[str, Any] = {"F32": numpy.float32, "BF16": ml_dtypes.bfloat16}


def corpus(folder: Path) -> Path:
    """The folder with the real pair in it."""
    for given in (folder, *folder.glob("chgnet-*")):
        if (given / BASE).exists():
            return given
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    target = ["--python-version", "3.11", "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"]
    subprocess.run([*command, *target, WHEEL], check=True)
    with zipfile.ZipFile(next(folder.glob("chgnet-*.whl"))) as wheel:
        wheel.extract(BASE, folder)
        wheel.extract(TUNED, folder)
    return folder


def floats(path: Path) -> Groups:
    """The float groups of a checkpoint file."""
    with opened(path) as checkpoint:
        groups = {name: array(checkpoint, name) for name in checkpoint.manifest.groups}
    return {name: values for name, values in groups.items() if values.dtype.kind == "f"}


def fine_tune(base: Groups, seed: int, share: float) -> Groups:
    """The base with every number moved, by ``share`` of the group's norm in all."""
    random = numpy.random.default_rng(seed)
    return {
        name: values + random.standard_normal(values.shape, numpy.float32) * (values.std() * numpy.float32(share))
        for name, values in base.items()
    }


def saved(groups: Groups, dtype: str) -> bytes:
    """The groups as a safetensors file."""
    return save({name: values.astype(DTYPES[dtype]) for name, values in groups.items()})


def xored(ours: NDArray[Any], base: NDArray[Any]) -> int:
    """Bytes of XOR with the base under zstd-3 with byte shuffle."""
    blosc.use_threads = False
    bits = ours.view(f"u{ours.itemsize}") ^ base.view(f"u{ours.itemsize}")
    return len(blosc.compress(bits, b"zstd", 3, blosc.SHUFFLE, 0))


def print_pair(folder: Path) -> None:
    print("| fine-tune of CHGNet | raw MB | dense | XOR + zstd-3 | delta | as added |")
    print("| --- | --- | --- | --- | --- | --- |")
    base, tuned = floats(folder / BASE), floats(folder / TUNED)
    for dtype, kind in DTYPES.items():
        pairs = [
            (tuned[name].astype(kind).reshape(-1), base[name].astype(kind).reshape(-1))
            for name in tuned
            if name in base and tuned[name].shape == base[name].shape
        ]
        raw = sum(ours.nbytes for ours, _ in pairs)
        sizes = [
            sum(len(dense.encoded(ours.tobytes(), ours.itemsize)) for ours, _ in pairs),
            sum(xored(ours, theirs) for ours, theirs in pairs),
            sum(len(delta.encoded(ours.tobytes(), theirs.tobytes(), dtype)) for ours, theirs in pairs),
            added_values(saved(base, dtype), saved(tuned, dtype)),
        ]
        print(f"| {dtype} | {raw / 1e6:.2f} | {' | '.join(f'{size / raw:.3f}' for size in sizes)} |")


def print_fine_tunes(layers: int) -> None:
    print("\n| 10 fine-tunes of one base, each 1 % away | raw MB | stored MB | share | share without the base |")
    print("| --- | --- | --- | --- | --- |")
    base = {name: group_values(name, shape) for name, shape in bert_shapes(layers).items()}
    for dtype in DTYPES:
        files = (saved(fine_tune(base, seed, 0.01) if seed else base, dtype) for seed in range(11))
        lengths: list[int] = []
        sizes = added_sizes(_noted(files, lengths))
        raw, tuned_raw = sum(lengths), sum(lengths[1:])
        shares = f"{sum(sizes) / raw:.3f} | {sum(sizes[1:]) / tuned_raw:.3f}"
        print(f"| {dtype} | {raw / 1e6:.0f} | {sum(sizes) / 1e6:.0f} | {shares} |")


def _noted(files: Iterable[bytes], lengths: list[int]) -> Iterator[bytes]:
    for file in files:
        lengths.append(len(file))
        yield file


def added_values(base: bytes, tuned: bytes) -> int:
    """Bytes that the values of the second file's groups add to a store that has the first."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder))
        before = added(base, store, None)
        after = added(tuned, store, before)
        new = [recipe for digest, recipe in after.recipes.items() if digest not in before.recipes]
        return sum(
            len(store.objects.read(oid, recipe.span))
            for recipe in new
            for oid in recipe.oids
            if recipe.digest != after.skeleton
        )


def added_sizes(files: Iterable[bytes]) -> list[int]:
    """Bytes that each file adds to a store, manifest included, as commits one after the other."""
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder))
        manifest = None
        before = 0
        for data in files:
            manifest = added(data, store, manifest)
            after = sum(path.stat().st_size for path in store.objects.folder.rglob("*") if path.is_file())
            sizes.append(after - before + len(bytes(manifest)))
            before = after
    return sizes


def added(data: bytes, store: Store, earlier: Manifest | None) -> Manifest:
    source = BytesSource(data)
    return captured(source, identified(source), store, earlier)


def print_times(layers: int, rounds: int) -> None:
    print("\n| add of a version | dense (s) | chosen (s) | ratio | ratio of CPU time | depth | restore, CPU to dense |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    base = {name: group_values(name, shape) for name, shape in bert_shapes(layers).items()}
    other = {name: group_values(f"other {name}", values.shape) for name, values in base.items()}
    for dtype in DTYPES:
        histories = {
            "fine-tuned, 1 %": [base, fine_tune(base, 1, 0.01)],
            "unrelated": [base, other],
            "the 10th of a random walk": list(random_walk(base, 10)),
        }
        for title, history in histories.items():
            files = [saved(groups, dtype) for groups in history]
            print(f"| {dtype}, {title} | {' | '.join(times(files, rounds))} |", flush=True)


def random_walk(base: Groups, steps: int) -> Iterator[Groups]:
    """The base and what fine-tuning makes of it, again and again."""
    yield base
    for step in range(steps):
        base = fine_tune(base, step, 0.01)
        yield base


def times(files: list[bytes], rounds: int) -> list[str]:
    """The cells of one row: adding the last file, with and without what went before."""
    clocks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    depth = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            stores = {name: Store.at(Path(folder) / name) for name in ("chosen", "dense")}
            earlier = None
            for data in files[:-1]:
                earlier = added(data, stores["chosen"], earlier)
            for name, manifest in (("dense", None), ("chosen", earlier)):
                os.sync()
                with clock(clocks[name]):
                    made = added(files[-1], stores[name], manifest)
                with clock(clocks[f"restore {name}"]):
                    deque(restored(StoredCheckpoint(made, stores[name].objects)), maxlen=0)
            depth = max(len(chain(made.recipes, digest)) - 1 for digest in made.recipes)
    wall, cpu = (
        {name: statistics.median(pair[kind] for pair in pairs) for name, pairs in clocks.items()} for kind in (0, 1)
    )
    return [
        f"{wall['dense']:.2f}",
        f"{wall['chosen']:.2f}",
        f"{wall['chosen'] / wall['dense']:.2f}",
        f"{cpu['chosen'] / cpu['dense']:.2f}",
        str(depth),
        f"{cpu['restore chosen'] / cpu['restore dense']:.2f}",
    ]


@contextlib.contextmanager
def clock(results: list[tuple[float, float]]) -> Iterator[None]:
    """Note the wall and the CPU time of what is done inside; others on the machine disturb the first only."""
    start = time.perf_counter(), time.process_time()
    yield
    results.append((time.perf_counter() - start[0], time.process_time() - start[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="where chgnet's files are; downloaded by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=4, help="of the made-up models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_pair(corpus(options.corpus or Path(folder)))
    print_fine_tunes(options.layers)
    print_times(options.layers, options.rounds)


if __name__ == "__main__":
    main()
