"""theta-merge: merge checkpoint files without git."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from strategies.contract import MergeError
from theta_checkpoint.failure import Failure
from theta_merge import engine
from theta_merge.outcome import Outcome
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome
from theta_merge.pour import poured
from theta_merge.report import described_conflict
from theta_merge.report import outcome_json
from theta_merge.report import outcome_summary
from theta_merge.side_data import beside
from theta_merge.side_data import side_data
from theta_merge.side_data import unfit
from theta_merge.wishes import Wish
from theta_merge.wishes import chosen
from theta_merge.wishes import given
from theta_merge.wishes import preferred
from theta_store.checkpoint import Checkpoint
from theta_store.checkpoint import OpenCheckpoint
from theta_store.checkpoint import opened

DONE, CONFLICT, FAILED = 0, 1, 2


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="theta-merge",
        usage="theta-merge [BASE|-] OURS THEIRS... -o OUT --strategy NAME [-X OPTION=VALUE]...\n"
        "       theta-merge [--base BASE] OURS... -o OUT --strategy NAME [-X OPTION=VALUE]...",
        description="Merge checkpoint files, parameter group by parameter group. With two files, or - as BASE, "
        "there is no common ancestor. One side alone goes to the strategy as it is: passthrough rescales it, "
        "task-arithmetic with weights=-1 negates what it changed since --base.",
        epilog="exit codes: 0 merged, 1 conflicts are left and nothing was written, 2 cannot merge",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="BASE OURS THEIRS...")
    parser.add_argument("--base", metavar="BASE", help="the common ancestor; every FILE is then a side")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="where the merged file goes")
    parser.add_argument("-s", "--strategy", metavar="NAME", help="what settles conflicts; list: git theta strategies")
    parser.add_argument("-X", dest="options", metavar="OPTION=VALUE", action="append", default=[])
    parser.add_argument("--device", metavar="NAME", help="cpu, or cuda where torch has it; the same as -X device=NAME")
    parser.add_argument("--recipe", metavar="FILE", help="rules in TOML: which strategy for which groups")
    parser.add_argument(
        "--values", choices=("ours", "theirs"), help="whose values (epoch, ...) to keep where both sides changed them"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be done, write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser


def merge(args: argparse.Namespace) -> int:
    """Merge as the command line says; the exit code."""
    base, sides = _files(args.base, args.files)
    device = [f"device={args.device}"] if args.device else []
    asked = given(args.strategy, [*args.options, *device], args.recipe, args.values)
    if len(sides) == 1 and not asked:
        raise MergeError("one side alone is merged with nothing; say what to make of it with --strategy NAME")
    computes = _computes(asked, len(sides)) and not args.dry_run
    with _opened([*sides, base], computes) as checkpoints, contextlib.ExitStack() as stack:
        path = str(args.output or sides[0])
        wanted = _wanted(checkpoints, asked, path)
        found = BesideFiles(sides, stack)
        with side_data((group.choice for group in wanted.computed), len(sides), found) as data:
            unserved = unfit(wanted.computed, data)
            wanted = _wanted(checkpoints, asked, path, unserved) if unserved else wanted
            writes = not args.dry_run and not wanted.open
            if writes:
                notes = poured(wanted, checkpoints, data, args.output, found)
                wanted = replace(wanted, notes=(*wanted.notes, *notes))
    _tell(wanted, args, args.output if writes else None)
    return CONFLICT if wanted.open else DONE


def _files(base: str | None, files: Sequence[str]) -> tuple[Path | None, list[Path]]:
    """Base and the sides."""
    has_base = base is None and (files[0] == "-" or len(files) > 2)
    first, *sides = files if has_base else (base or "-", *files)
    if not sides:
        raise MergeError("- stands for no common ancestor; give a file too: theta-merge OURS -o OUT --strategy NAME")
    return None if first == "-" else Path(first), [Path(side) for side in sides]


@contextlib.contextmanager
def _opened(paths: Sequence[Path | None], computes: bool) -> Iterator[list[OpenCheckpoint | None]]:
    """The checkpoints in these files; what computes is loaded while they are read."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(paths)) as pool:
        waiting = [pool.submit(stack.enter_context, opened(path)) if path else None for path in paths]
        if computes:
            engine.load()
        yield [future.result() if future else None for future in waiting]


def _wanted(
    checkpoints: Sequence[OpenCheckpoint | None], asked: Wish, path: str, refused: dict[str, str] | None = None
) -> Outcome:
    *sides, base = [checkpoint.manifest if checkpoint else None for checkpoint in checkpoints]
    bones = {one.manifest.skeleton: one.found.skeleton for one in checkpoints if one}
    versions = Versions(base, tuple(side for side in sides if side), lambda manifest: bones[manifest.skeleton])
    return outcome(versions, chosen(asked, path, versions), preferred(asked, versions), refused)


def _computes(asked: Wish, sides: int) -> bool:
    """Whether values will have to be computed; raises at once for strategies and options that do not exist."""
    wanted = [*([asked.default] if asked.default else []), *(rule.wanted for rule in asked.recipe.rules)]
    return any(not one.choice(sides).strategy.selects for one in wanted)


@dataclass(frozen=True)
class BesideFiles:
    """What lies beside the sides' files, see :class:`theta_merge.side_data.Beside`."""

    sides: Sequence[Path]
    stack: contextlib.ExitStack
    """keeps open what is found"""

    def checkpoint(self, kind: str, side: int) -> Checkpoint | None:
        """See :meth:`Beside.checkpoint`."""
        path = Path(beside(str(self.sides[side]), kind))
        return self.stack.enter_context(opened(path)) if path.exists() else None

    def file(self, name: str, side: int) -> bytes | None:
        """See :meth:`Beside.file`."""
        path = self.sides[side].with_name(name)
        return path.read_bytes() if path.is_file() else None


def _tell(wanted: Outcome, args: argparse.Namespace, written: Path | None) -> None:
    if args.json:
        print(json.dumps({"version": 1, "written": str(written) if written else None, **outcome_json(wanted)}))
        return
    for note in wanted.notes:
        _say(note)
    for item in wanted.open:
        _say(described_conflict(item))
    print(outcome_summary(wanted) + (f" -> {written}" if written else ""))
    if wanted.open:
        _say(f"{len(wanted.open)} conflicts; nothing was written; settle them with --strategy NAME")


def _say(line: str) -> None:
    print(f"theta: {line}", file=sys.stderr)


def main() -> int:
    """Run as the command ``theta-merge``."""
    parser = arguments()
    args = parser.parse_args()
    if not args.output and not args.dry_run:
        parser.error("give -o OUT, or --dry-run")
    try:
        return merge(args)
    except (Failure, MergeError) as error:
        _say(str(error))
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        _say("interrupted; nothing was written")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
