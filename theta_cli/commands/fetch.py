"""`git theta fetch`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Mapping

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import Manifest
from theta_cli.inventory import manifests
from theta_cli.inventory import tracked
from theta_git.repository import Repository
from theta_store.presence import missing_text
from theta_store.store import Store


class ObjectsMissing(Failure):
    """Values that are in no store this clone knows."""

    def __init__(self, lacking: Mapping[str, str]) -> None:
        """``lacking`` says for each path what is missing."""
        lines = [f"{path}: not here: {what}" for path, what in lacking.items()]
        hint = "copy .git/theta/objects from a clone that has them, then type: git theta pull"
        super().__init__("\n".join([*lines, hint]))


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")


def run(args: Namespace) -> int:
    """Tell whether all objects of the index are here."""
    repository = Repository()
    entries = tracked(repository, args.paths)
    found = manifests(repository, (entry.index for entry in entries))
    objects = Store.at(repository.theta_dir).objects
    texts = {
        entry.path: missing_text(manifest, objects)
        for entry in entries
        if isinstance(manifest := found.get(entry.index or ""), Manifest)
    }
    if lacking := {path: text for path, text in texts.items() if text}:
        raise ObjectsMissing(lacking)
    print("all objects are here")
    return 0
