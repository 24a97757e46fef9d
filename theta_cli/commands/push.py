"""`git theta push`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli.sending import sent
from theta_git import remotes
from theta_git.outgoing import RefUpdate
from theta_git.outgoing import outgoing_blobs
from theta_git.repository import Repository
from theta_git.trees import reachable_blobs
from theta_store.remotes.chosen import NoRemote
from theta_store.remotes.chosen import destination


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "remote", nargs="?", metavar="REMOTE", help="where to send them (default: the branch's own remote)"
    )
    parser.add_argument(
        "revs", nargs="*", metavar="REV", help="send the objects of the history of these (default: HEAD)"
    )
    parser.add_argument("--all", action="store_true", help="send the objects of every ref and reflog")


def run(args: Namespace) -> int:
    """Send the objects that the remote lacks; the commits themselves go with git push."""
    repository = Repository()
    _ = repository.common_dir
    name = args.remote or remotes.default(repository)
    if name is None:
        raise NoRemote("there is no remote to send to; to name one, type: git remote add origin URL")
    blobs = reachable_blobs(repository) if args.all else _history(repository, args.revs or ["HEAD"])
    for url in remotes.pushed_to(repository, name) or [name]:
        count = sent(repository, destination(repository, name, url), blobs)
    print(f"{name} has all {count} objects")
    return 0


def _history(repository: Repository, revs: list[str]) -> dict[str, str]:
    """Every blob of these histories: what an earlier push may have left out is sent now."""
    updates = [RefUpdate(repository.commit(rev), "") for rev in revs]
    return outgoing_blobs(repository, updates, [])
