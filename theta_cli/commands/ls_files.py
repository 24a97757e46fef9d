"""`git theta ls-files`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from typing import Any

from theta_checkpoint.manifest import Manifest
from theta_checkpoint.printable import counted
from theta_cli.inventory import manifests
from theta_cli.inventory import parameters
from theta_cli.inventory import tracked
from theta_cli.inventory import value_bytes
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.path_text import git_path
from theta_git.repository import Repository
from theta_store.presence import missing_objects
from theta_store.store import Store


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """List the checkpoints of the index: groups, sizes, and whether their objects are here."""
    repository = Repository()
    entries = tracked(repository, args.paths)
    found = manifests(repository, (entry.index for entry in entries))
    store = Store.at(repository.theta_dir)
    rows = [_facts(entry.path, found.get(entry.index or ""), store) for entry in entries if entry.index]
    if args.json:
        print_json({"checkpoints": rows})
        return 0
    paths = [git_path(str(row["path"])) for row in rows]
    width = max(map(len, paths), default=0)
    for path, row in zip(paths, rows, strict=True):
        print(f"{path:<{width}}  {_told(row)}")
    return 0


def _facts(path: str, manifest: object, store: Store) -> dict[str, Any]:
    if not isinstance(manifest, Manifest):
        return {"path": path, "format": None}
    missing = missing_objects(manifest, store.objects)
    return {
        "path": path,
        "format": manifest.format,
        "groups": len(manifest.groups),
        "parameters": parameters(manifest),
        "bytes": value_bytes(manifest),
        "missing_objects": len(missing),
        "root": manifest.root,
    }


def _told(row: dict[str, Any]) -> str:
    if not row["format"]:
        return "not a manifest: added before it was tracked, or without theta; type: git add --renormalize ."
    present = f"{counted(row['missing_objects'], 'object')} missing" if row["missing_objects"] else "objects here"
    sizes = f"{counted(row['groups'], 'group')}  {row['parameters']:,} parameters  {row['bytes']:,} bytes"
    return f"{row['format']}  {sizes}  {present}"
