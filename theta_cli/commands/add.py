"""`git theta add`."""

from __future__ import annotations

import os
import subprocess
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_checkpoint.printable import counted
from theta_cli import installation
from theta_cli import tracking
from theta_git import attributes
from theta_git.commits import written_blob
from theta_git.repository import Repository

UPDATE_TYPES = ("low-rank", "sparse", "ia3", "lora")


class CannotUpdate(Failure):
    """There is nothing that could be updated, or something would be lost."""


class NoSuchFile(Failure):
    """A path with nothing there."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a checkpoint file")
    parser.add_argument(
        "--update-type", choices=UPDATE_TYPES, metavar="TYPE", help=f"how to change it: {', '.join(UPDATE_TYPES)}"
    )
    parser.add_argument(
        "--update-data",
        type=Path,
        metavar="FILE",
        help="apply the update in this file (lora: in this folder that PEFT saved) to the committed checkpoint",
    )


def run(args: Namespace) -> int:
    """Track the files that are not tracked yet, then `git add` them and .gitattributes."""
    repository = Repository()
    _ = repository.top
    if args.update_type or args.update_data:
        return _update(repository, args)
    repository.check_inside(args.paths)
    _check_present(repository, args.paths)
    filters = attributes.filters(repository, args.paths)
    fresh = [path for path in args.paths if filters.get(path) != "theta"]
    for one in tracking.track(repository, fresh) if fresh else []:
        print(f"tracking {one.pattern}")
    if installed := installation.installed_if_needed(repository):
        print(f"installed theta in {installed} (local)")
    done = subprocess.run(["git", "add", "--", *([".gitattributes"] if fresh else []), *args.paths], check=False)
    return done.returncode


def _check_present(repository: Repository, paths: Sequence[str]) -> None:
    """That a slip of the pen leaves no line in .gitattributes."""
    for path in paths:
        if not os.path.lexists(path) and not repository.output("ls-files", "--cached", "--others", "--", path):
            raise NoSuchFile(f"{path}: no such file; to track what will come, type: git theta track {path}")


def _update(repository: Repository, args: Namespace) -> int:
    """Update the committed version of one checkpoint, in the index and in the working tree."""
    from theta_cli import adapters
    from theta_cli import update_files
    from theta_store.store import Store
    from theta_store.updates import updated

    if not (args.update_type and args.update_data and len(args.paths) == 1):
        raise CannotUpdate("an update takes one PATH, --update-type and --update-data")
    path = args.paths[0]
    content = repository.blob(f"HEAD:./{os.path.relpath(path)}")
    if not content or not is_manifest(content):
        raise CannotUpdate(f"{path} is no checkpoint of the last commit; first: git theta add {path}, and git commit")
    if os.path.lexists(path) and repository.finished("diff", "--quiet", "--no-ext-diff", "HEAD", "--", path).returncode:
        raise CannotUpdate(f"{path} has changes that are not committed; the update would overwrite them")
    manifest = parse(content)
    if args.update_type == "lora":
        updates = adapters.updates_in(args.update_data, manifest)
    else:
        updates = update_files.updates_in(args.update_data, args.update_type, manifest)
    _check_out(repository, path, bytes(updated(manifest, updates, Store.at(repository.theta_dir))))
    print(f"updated {counted(len(updates), 'group')} of {path}")
    return 0


def _check_out(repository: Repository, path: str, content: bytes) -> None:
    """Put a manifest into the index, and have git write the file that it stands for."""
    top = Repository(repository.top)
    name = os.path.relpath(os.path.abspath(path), os.path.realpath(repository.top))
    blob = written_blob(top, content)
    mode = top.line("ls-tree", "HEAD", "--", name).split()[0]
    top.output("update-index", "--cacheinfo", f"{mode},{blob},{name}")
    top.output("checkout-index", "--force", "--index", "--", name)
