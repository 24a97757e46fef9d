"""`git theta show`."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import quoted
from theta_checkpoint.printable import counted
from theta_checkpoint.printable import printable
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_diff.compare import NamedTensor
from theta_diff.compare import named_tensors
from theta_diff.folding import Fold
from theta_diff.folding import folded
from theta_diff.history import blob_at
from theta_diff.patterns import matcher
from theta_diff.sides import Side
from theta_diff.sides import Version
from theta_diff.sides import side_of
from theta_diff.wording import amount
from theta_diff.wording import described
from theta_git.repository import Repository
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject

if TYPE_CHECKING:
    from theta_diff.tensor_view import TensorView

_EPILOG = "Without GLOB: every group and value. With GLOB: statistics, a histogram and a corner of the values of each."


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("version", metavar="[REV:]PATH", help="a checkpoint of a revision, or the file itself")
    parser.add_argument("pattern", nargs="?", metavar="GLOB", help="show in detail the groups whose names match")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Show a checkpoint or some of its groups."""
    side = _side(Repository(), args.version)
    tensors = named_tensors(side.manifest)
    matches = matcher(args.pattern or "*")
    chosen = [tensor for name, tensor in tensors.items() if matches(name)]
    if not chosen and args.pattern:
        raise Failure(f"no group of {args.version} is named like {args.pattern!r}; without it all are listed")
    if args.json:
        groups = [_facts(tensor, side, bool(args.pattern)) for tensor in chosen]
        values = {name: value.text for name, value in side.manifest.values.items()}
        print_json({"format": side.manifest.format, "values": values, "groups": groups})
        return 0
    for line in _looked_into(chosen, side) if args.pattern else _listed(chosen, side):
        print(line)
    return 0


def _side(repository: Repository, version: str) -> Side:
    revision, colon, path = version.partition(":")
    if colon and not os.path.lexists(version):
        given = Version("", blob_at(repository, revision or "", path), "100644")
    elif os.path.isdir(version):
        raise Failure(f"{version} is a folder; to list the checkpoints in it, type: git theta ls-files {version}")
    elif not os.path.lexists(version):
        raise Failure(f"{version}: there is no such file; to see a committed one, type: git theta show HEAD:{version}")
    else:
        given = Version(version, "0" * 40, "100644")
    side = side_of(given, repository.theta_dir)
    assert side
    return side


def _listed(tensors: list[NamedTensor], side: Side) -> Iterator[str]:
    yield f"format {side.manifest.format}"
    yield from (
        f"value  {quoted(name)}  {printable(value.text)}" for name, value in sorted(side.manifest.values.items())
    )
    rows = folded(tensors, lambda tensor: tensor.name, lambda tensor: (described(tensor), _known(tensor, side)[1:]))
    width = max((len(quoted(row.name)) for row in rows), default=0)
    yield from (_row(row, width, side) for row in rows)
    owned = sum(tensor.parameters for tensor in tensors if not tensor.owner)
    yield f"{counted(len(tensors), 'group')}, {amount(owned)} parameters"


def _row(row: Fold[NamedTensor], width: int, side: Side) -> str:
    known = [_known(tensor, side) for tensor in row.items]
    norms = [norm for norm, _, _ in known if norm is not None]
    cells = [f"group  {quoted(row.name).ljust(width)}", described(row.items[0])]
    if norms:
        low, high = f"{min(norms):.4g}", f"{max(norms):.4g}"
        cells.append(f"norm {low}" if low == high else f"norm {low} … {high}")
    cells += [f"{word} {count}" for word, count in zip(("NaN", "inf"), known[0][1:], strict=True) if count]
    if row.items[0].owner:
        cells.append(f"tied to {quoted(row.items[0].owner)}")
    if len(row.items) > 1:
        cells.append(f"({len(row.items)} groups)")
    return "  ".join(cells)


def _known(tensor: NamedTensor, side: Side) -> tuple[float | None, int, int]:
    """Norm, NaN and infinite values, from the sketch."""
    sketch = None if tensor.is_part else side.sketches.get(tensor.digest)
    return (sketch.norm, sketch.nans, sketch.infinities) if sketch else (None, 0, 0)


def _looked_into(tensors: list[NamedTensor], side: Side) -> Iterator[str]:
    from theta_diff.tensor_view import tensor_view

    checkpoint = side.checkpoint()
    for tensor in tensors:
        yield f"group {quoted(tensor.name)}  {described(tensor)}  {amount(tensor.parameters)} parameters"
        try:
            view = tensor_view(tensor, checkpoint)
        except (MissingObject, CorruptObject) as error:
            yield f"    {error}"
            yield from (f"    {word}" for word in _from_sketch(tensor, side))
            continue
        yield from (f"    {line}" for line in _view(view))


def _view(view: TensorView) -> Iterator[str]:
    from theta_diff.renderers.heatmap import LEVELS

    summary = view.summary
    facts = {"mean": summary.mean, "std": summary.std, "min": summary.minimum, "max": summary.maximum}
    yield "  ".join(f"{word} {number:.4g}" for word, number in facts.items() if number is not None)
    yield f"NaN {summary.nans}  inf {summary.infinities}  zeros {view.zeros}"
    if view.histogram:
        top = max(view.histogram.counts) or 1
        bars = "".join(LEVELS[min(7, 8 * count // top)] if count else " " for count in view.histogram.counts)
        yield f"{view.histogram.low:.3g} {bars} {view.histogram.high:.3g}"
    yield from view.corner.splitlines()


def _from_sketch(tensor: NamedTensor, side: Side) -> Iterator[str]:
    norm, nans, infinities = _known(tensor, side)
    if norm is not None:
        yield f"norm {norm:.4g}  NaN {nans}  inf {infinities}"


def _facts(tensor: NamedTensor, side: Side, look: bool) -> dict[str, object]:
    norm, nans, infinities = _known(tensor, side)
    facts: dict[str, object] = {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "tied_to": tensor.owner,
        "norm": norm,
        "nans": nans,
        "infinities": infinities,
    }
    if look:
        from theta_diff.tensor_view import tensor_view

        view = asdict(tensor_view(tensor, side.checkpoint()))
        facts |= {**view.pop("summary"), "zeros": view["zeros"], "histogram": view["histogram"]}
    return facts
