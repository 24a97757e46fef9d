"""`git theta explain`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import Manifest
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.repository import Repository
from theta_git.trees import name_before
from theta_merge.history import origins
from theta_merge.history import recalled
from theta_merge.outcome import Versions
from theta_merge.resolution import at_root
from theta_merge.sources import manifest_of
from theta_store.store import Store


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("commit", metavar="MERGE_COMMIT", help="the merge to explain")
    parser.add_argument("path", metavar="PATH", help="a checkpoint")
    parser.add_argument("-a", "--all", action="store_true", help="show unchanged parameter groups too")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Tell for each parameter group of a merge which side or strategy gave it."""
    repository = Repository()
    commit = repository.commit(args.commit)
    (path,) = at_root([args.path], repository)
    _, *parents = repository.line("rev-list", "--parents", "-1", commit, "--").split()
    if len(parents) < 2:
        raise Failure(f"{args.commit} is not a merge; to list merges, type: git log --merges --oneline")
    base = repository.finished("merge-base", "--octopus", *parents).stdout.decode().strip()
    merged = _required(commit, path, repository)
    names = {before: name_before(repository, before, commit, path) for before in (*parents, base) if before}
    sides = tuple(_required(parent, names[parent], repository) for parent in parents)
    versions = Versions(_manifest(base, names[base], repository) if base else None, sides)
    noted = recalled(repository.line("rev-parse", f"{commit}:{path}"), repository)
    found = [one for one in origins(merged, versions, noted) if args.all or one.text != "unchanged"]
    if args.json:
        print_json({"path": path, "groups": [{"name": one.name, "origin": one.text} for one in found]})
        return 0
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        print(f"{one.name:<{width}}  {one.text}")
    if hidden := len(versions.decisions) + len(versions.value_decisions) - len(found):
        print(f"{hidden} unchanged (show them with --all)")
    return 0


def _required(commit: str, path: str, repository: Repository) -> Manifest:
    found = _manifest(commit, path, repository)
    if found is None:
        raise Failure(f"{path}: there is no such checkpoint in {commit[:12]}; to list them, type: git theta ls-files")
    return found


def _manifest(commit: str, path: str, repository: Repository) -> Manifest | None:
    return manifest_of(repository.blob(f"{commit}:{path}") or b"", Store.at(repository.theta_dir))
