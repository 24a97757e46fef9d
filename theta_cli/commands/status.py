"""`git theta status`."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass

from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import NewerManifest
from theta_checkpoint.printable import counted
from theta_cli import drivers
from theta_cli import inventory
from theta_cli.inventory import Tracked
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_diff.compare import Comparison
from theta_diff.compare import compared
from theta_diff.wording import summary
from theta_git import attributes
from theta_git import hooks
from theta_git import remotes
from theta_git.configuration import settings
from theta_git.operation import waiting
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_store.presence import missing_objects
from theta_store.store import Store


@dataclass(frozen=True, slots=True)
class State:
    """One checkpoint between HEAD, the index and the working tree."""

    path: str
    remarks: tuple[str, ...] = ()
    """what keeps it from being an ordinary checkpoint, each with what to type"""
    staged: Comparison | None = None
    """HEAD to index; None if they are the same blob"""
    unstaged: Comparison | None = None
    """index to file; None if they are the same"""
    missing: int = 0
    """objects that the file stands for and that are not here"""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Tell what changed in each checkpoint, and whether theta is soundly installed: exit code 1 if it is not."""
    repository = Repository()
    problems = drivers.health(drivers.effective(settings(repository, drivers.SECTIONS)))
    found = list(states(repository, args.paths))
    problems += [hooks.NOT_HERE] if found and remotes.names(repository) and not hooks.is_installed(repository) else []
    problems += _unshared(repository, [state.path for state in found])
    if not args.paths:
        found += _left_behind(repository)
    fresh = [] if args.paths else inventory.unadded_files(repository)
    operation = None if args.paths else waiting(repository)
    if args.json:
        facts = {"checkpoints": [_facts(state) for state in found], "unadded": fresh, "problems": problems}
        print_json({**facts, "operation": asdict(operation) if operation else None})
    else:
        _print(repository, found, fresh, problems)
        if operation:
            print(f"git {operation.name} waits; once nothing is in conflict, type: {operation.go_on}")
            print(f"    to give it up: {operation.abort}")
    return 1 if problems else 0


def states(repository: Repository, paths: list[str]) -> Iterator[State]:
    """The state of every tracked checkpoint. Only files that git holds for changed are read."""
    entries = inventory.tracked(repository, paths)
    manifests = inventory.manifests(repository, (oid for entry in entries for oid in (entry.head, entry.index)))
    changed = inventory.changed_files(repository)
    for entry in entries:
        yield _state(repository, entry, manifests, entry.path in changed)


def _unshared(repository: Repository, paths: list[str]) -> list[str]:
    """What keeps others from getting checkpoints instead of manifests, though it works here."""
    added = attributes.attribute(Repository(repository.top), "filter", paths, added=True)
    alone = next((path for path in paths if path not in added), None)
    if alone is None:
        return []
    line = attributes.setting_line(repository, repository.top / alone, "theta")
    file = line.shown_file if line else ".gitattributes"
    return [f"{git_path(alone)} is a checkpoint by a line in {file} that git does not have; type: git add {file}"]


def _left_behind(repository: Repository) -> list[State]:
    """Checkpoints that are about to be added as plain files."""
    paths = inventory.left_behind(repository, inventory.changed_files(repository))
    text = "a checkpoint that no pattern tracks any more, as after git mv; type: git theta track {}"
    return [State(path, (text.format(_typed(repository, path)),)) for path in paths]


def _state(
    repository: Repository, entry: Tracked, manifests: Mapping[str, Manifest | BadManifest], changed: bool
) -> State:
    typed = _typed(repository, entry.path)
    if entry.unmerged:
        return State(entry.path, (f"unmerged; type: git theta resolve {typed}",))
    head, index = _sound(manifests.get(entry.head or "")), _sound(manifests.get(entry.index or ""))
    file = repository.top / entry.path
    text = inventory.manifest_in(file)
    if entry.index and not index:
        return State(entry.path, (_unreadable(manifests.get(entry.index), text is not None, typed),))
    staged = _difference(head, index) if entry.head != entry.index else None
    if isinstance(text, BadManifest):
        return State(entry.path, (f"the file holds a damaged manifest; type: git checkout -- {typed}",), staged)
    unstaged = _difference(index, inventory.file_manifest(file)) if entry.index and changed else None
    return State(
        entry.path,
        ("the file holds its manifest, not its values; type: git theta pull",) if text else (),
        staged,
        unstaged,
        len(missing_objects(index, Store.at(repository.theta_dir).objects)) if index and file.exists() else 0,
    )


def _unreadable(manifest: Manifest | BadManifest | None, hollow: bool, typed: str) -> str:
    """What is wrong with a blob of the index that is no sound manifest; ``hollow``: the file holds no values."""
    if isinstance(manifest, NewerManifest):
        return "its manifest was written by a newer theta; to read it, install that"
    if manifest is None:
        return "not a manifest: added before it was tracked, or without theta; type: git add --renormalize ."
    if hollow:
        return f"a damaged manifest; get a whole one with: git checkout REV -- {typed}"
    return f"a damaged manifest is staged, as after git add -p of a part; type: git add {typed}"


def _difference(old: Manifest | None, new: Manifest | None) -> Comparison | None:
    comparison = compared(old, new)
    return None if comparison.is_empty else comparison


def _sound(manifest: Manifest | BadManifest | None) -> Manifest | None:
    return manifest if isinstance(manifest, Manifest) else None


def _print(repository: Repository, found: list[State], fresh: list[str], problems: list[str]) -> None:
    """Those first that ask for attention; the others are counted."""
    told = [state for state in found if state != State(state.path)]
    for state in told:
        print(git_path(state.path))
        for line in _lines(state):
            print(f"    {line}")
    for path in fresh:
        print(f"{git_path(path)}\n    not added; type: git add {_typed(repository, path)}")
    if number := len(found) - len(told):
        print(f"{counted(number, 'checkpoint')} unchanged")
    if not found and not fresh:
        print("no checkpoints; to have some, type: git theta track PATTERN")
    for problem in problems:
        print(f"problem: {problem}")


def _typed(repository: Repository, path: str) -> str:
    """A path as a shell wants it, from the current folder."""
    name = os.path.relpath(repository.top / path, os.path.realpath("."))
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def _lines(state: State) -> Iterator[str]:
    yield from state.remarks
    if state.missing and not state.remarks:
        what = "object is" if state.missing == 1 else "objects are"
        yield f"{state.missing} {what} not here; type: git theta fetch"
    if state.staged:
        yield f"staged:     {summary(state.staged)}"
    if state.unstaged:
        yield f"not staged: {summary(state.unstaged)}"


def _facts(state: State) -> dict[str, object]:
    return {
        "path": state.path,
        "remarks": state.remarks,
        "staged": _counts(state.staged),
        "unstaged": _counts(state.unstaged),
        "missing_objects": state.missing,
    }


def _counts(comparison: Comparison | None) -> dict[str, int] | None:
    if not comparison:
        return None
    kinds = ("added", "removed", "modified", "renamed", "values")
    return {kind: len(getattr(comparison, kind)) for kind in kinds} | {"unchanged": comparison.unchanged}
