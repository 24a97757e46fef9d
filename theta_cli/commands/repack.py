"""`git theta repack`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.printable import counted
from theta_cli.fetching import ObjectsMissing
from theta_cli.fetching import fetched
from theta_cli.inventory import manifests
from theta_cli.inventory import parsed
from theta_cli.inventory import tracked
from theta_git.commits import written_blob
from theta_git.history import BACKUP
from theta_git.history import NEXT
from theta_git.history import Rules
from theta_git.history import check_clean
from theta_git.history import rewrite
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import reachable_blobs
from theta_store.arrangement import rearranged
from theta_store.needed import needed_objects
from theta_store.presence import missing_text
from theta_store.repack import repacked
from theta_store.store import Store


class PathsGiven(Failure):
    """Part of what cannot be done in parts was asked for."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only what is at or below these paths")
    parser.add_argument(
        "--everything", action="store_true",
        help="rewrite every commit of every branch and tag, so that each version is based on the nearest there is",
    )  # fmt: skip


def run(args: Namespace) -> int:
    """Find shorter chains of versions that lean on each other, for the manifests of commits to come.

    With ``--everything``, find better bases among all versions, for a history that is written anew.
    """
    repository = Repository()
    store = Store.at(repository.theta_dir)
    if args.everything and args.paths:
        raise PathsGiven("--everything is about all checkpoints at once; leave out the paths")
    if args.everything:
        return _everything(repository, store)
    for path, versions in sorted(_versions(repository, args.paths).items()):
        done = repacked(versions, store)
        print(
            f"{path}: {counted(len(versions), 'version')}, {counted(done.groups, 'group')} repacked, "
            f"deepest chain {done.deepest_before} -> {done.deepest}"
        )
    return 0


def _everything(repository: Repository, store: Store) -> int:
    # one that was killed may have left there what HEAD does not hold
    _replace_known(store, manifests(repository, (entry.head for entry in tracked(repository))).values())
    check_clean(repository)
    blobs = reachable_blobs(repository, ("--branches", "--tags"))
    texts = blobs_beginning(repository, reversed(blobs), HEAD)
    old = {blob: manifest for blob, text in texts if isinstance(manifest := parsed(text), Manifest)}
    if failures := fetched(repository, store.objects, needed_objects(repository, blobs), None):
        lacking = {f"{blobs[blob]} ({blob[:10]})": missing_text(one, store.objects) for blob, one in old.items()}
        raise ObjectsMissing({version: text for version, text in lacking.items() if text}, failures)
    done = rearranged(old, store.objects)
    if not done.manifests:
        print("no version has a better base; nothing was changed")
        return 0
    new = {blob: written_blob(repository, bytes(manifest)) for blob, manifest in done.manifests.items()}
    _replace_known(store, (old | done.manifests).values())
    store.registry.remember(recipes=done.recipes.values())
    rewritten = rewrite(repository, Rules(lambda path, blob: new.get(blob, blob)))
    commits = counted(rewritten.commits, "commit")
    print(f"{counted(done.groups, 'group')} now have better bases, in {commits}; the old commits are kept at {BACKUP}*")
    if warning := rewritten.warning():
        print(warning)
    print("their objects stay as long as the old commits do")
    print(NEXT)
    return 0


def _replace_known(store: Store, known: Iterable[Manifest | BadManifest]) -> None:
    """Let every file that belongs to one of these manifests get that one, and no other that it had before."""
    store.registry.forget_manifests()
    store.registry.remember(manifests=[(one.root, bytes(one)) for one in known if isinstance(one, Manifest)])


def _versions(repository: Repository, paths: list[str]) -> dict[str, list[Manifest]]:
    """Every version of each checkpoint that a ref, a reflog or an index holds, oldest first."""
    blobs = reachable_blobs(repository)
    wanted = {entry.path for entry in tracked(repository, paths)} if paths else set(blobs.values())
    newest_first = [blob for blob, path in blobs.items() if path in wanted]
    found: dict[str, list[Manifest]] = defaultdict(list)
    for blob, text in blobs_beginning(repository, reversed(newest_first), HEAD):
        if isinstance(manifest := parsed(text), Manifest):
            found[blobs[blob]].append(manifest)
    return found
