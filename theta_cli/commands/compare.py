"""`git theta compare`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_checkpoint.printable import percent
from theta_checkpoint.printable import printable
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_diff.distances import Located
from theta_diff.distances import Relation
from theta_diff.distances import drift
from theta_diff.distances import moved
from theta_diff.distances import relation
from theta_diff.history import blob_at
from theta_diff.history import located
from theta_diff.history import versions
from theta_git.repository import Repository
from theta_store.store import Store

_EPILOG = """\
All numbers are estimates from sketches; no value is read. A cosine near 0 means that two branches changed the model in
unrelated directions, which usually merge well; near 1 that they did much the same; below 0 that they undo each other.
"""


_RELATED, _ALIKE = 0.1, 0.9
"""cosines; where two sketches are of unrelated changes it is off by some 0.1"""


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch since the common base."""

    name: str
    version: Located
    change: float | None
    """estimated relative distance from the base"""
    changed: int
    """groups"""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("path", metavar="PATH", help="a checkpoint")
    parser.add_argument("branches", nargs="+", metavar="BRANCH", help="two or more branches or commits")
    parser.add_argument("--base", metavar="REV", help="measure from here (default: the best common ancestor of all)")
    parser.add_argument("--group", default="*", metavar="GLOB", help="only groups whose names match")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Show how far several branches went from their merge base, and how their changes relate."""
    if len(args.branches) < 2:
        raise Failure("name two or more branches: git theta compare PATH BRANCH BRANCH...")
    repository = Repository()
    tips = [blob_at(repository, name, args.path) for name in args.branches]
    base_name = args.base or _merge_base(repository, args.branches)
    oids = [blob_at(repository, base_name, args.path), *tips]
    known = versions(repository, args.path, oids, args.group)
    objects = Store.at(repository.theta_dir).objects
    base, *places = (located(known[oid], objects) for oid in oids)
    found = [
        Branch(name, place, drift(base, place), len(moved(base, place)))
        for name, place in zip(args.branches, places, strict=True)
    ]
    relations = {
        (i, j): relation(base, found[i].version, found[j].version) for i in range(len(found)) for j in range(i)
    }
    if args.json:
        print_json(_facts(base_name, found, relations))
    else:
        for line in _lines(base_name, found, relations):
            print(line)
    return 0


def _merge_base(repository: Repository, branches: Sequence[str]) -> str:
    done = repository.finished("merge-base", "--octopus", "--end-of-options", *branches)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip() or "they have no common ancestor"
        raise Failure(f"{', '.join(branches)}: {why}; name a base with: --base REV")
    return done.stdout.decode().split()[0]


def _lines(base: str, found: Sequence[Branch], relations: Mapping[tuple[int, int], Relation]) -> Iterator[str]:
    width = max(len(printable(branch.name)) for branch in found)
    yield f"since {printable(base[:10] if len(base) == 40 else base)}"
    for branch in found:
        far = "?" if branch.change is None else f"≈ {percent(branch.change)}"
        yield f"  {printable(branch.name).ljust(width)}  {counted(branch.changed, 'group')} changed, change {far}"
    yield from _tables(found, relations, width)
    yield ""
    yield "how they would merge"
    for (i, j), one in relations.items():
        yield f"  {printable(found[j].name)} and {printable(found[i].name)}: {judged(one)}"


def _tables(found: Sequence[Branch], relations: Mapping[tuple[int, int], Relation], width: int) -> Iterator[str]:
    """A table of each number that two branches have, with names of ``width`` characters in front."""
    tables: dict[str, Callable[[Relation], str]] = {
        "cosine of the changes (≈)": lambda relation: _number(relation.cosine, "{:+.2f}".format),
        "distance between the versions, relative to the base (≈)": lambda r: _number(r.distance, percent),
        "groups that both changed, to other values": lambda relation: str(relation.both),
    }
    for title, cell in tables.items():
        yield ""
        yield title
        for row, branch in enumerate(found[1:], start=1):
            cells = (cell(relations[row, column]).rjust(10) for column in range(row))
            yield f"  {printable(branch.name).ljust(width)}{''.join(cells)}"
        heads = (printable(branch.name)[:9].rjust(10) for branch in found[:-1])
        yield f"  {''.ljust(width)}{''.join(heads)}"


def judged(relation: Relation) -> str:
    """What to expect of merging two branches that relate so."""
    if not relation.both:
        return "easily: no group was changed by both to other values"
    if relation.cosine is None:
        return "not known: sketches are not here; git theta fetch brings them"
    if relation.cosine < -_RELATED:
        return "with losses: they undo each other in part"
    if relation.cosine < _RELATED:
        return "well, most likely: their changes are unrelated"
    return (
        "well: they changed the same way" if relation.cosine > _ALIKE else "well, most likely: their changes are alike"
    )


def _number(number: float | None, text: Callable[[float], str]) -> str:
    return "?" if number is None else text(number)


def _facts(base: str, found: Sequence[Branch], relations: Mapping[tuple[int, int], Relation]) -> dict[str, object]:
    branches = [{"name": b.name, "change": b.change, "changed": b.changed} for b in found]
    pairs = [
        {"one": found[j].name, "other": found[i].name, "cosine": r.cosine, "distance": r.distance, "both": r.both}
        for (i, j), r in relations.items()
    ]
    return {"base": base, "branches": branches, "pairs": pairs}
