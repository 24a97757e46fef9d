"""`git theta remote`."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from argparse import Namespace

from theta_checkpoint.failure import Failure
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git import configuration
from theta_git import remotes
from theta_git.configuration import Scope
from theta_git.repository import Repository
from theta_store.remotes.chosen import DEFAULT
from theta_store.remotes.chosen import remote_of
from theta_store.remotes.kvstore import check_url
from theta_store.store import Store

_URL = re.compile(r"theta\.remote\.(.+)\.url")


class BadRemote(Failure):
    """A name that cannot be used, or that there is not."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "A remote with the name of a git remote keeps that one's objects, instead of its git-lfs server."
    parser.add_argument(
        "action", nargs="?", choices=("list", "add", "remove"), default="list", help="what to do (default: list)"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a name for the place, or a git remote")
    parser.add_argument("url", nargs="?", metavar="URL", help="s3://BUCKET/PATH, gs://BUCKET/PATH or file:///PATH")
    parser.add_argument("--endpoint", metavar="URL", help="the S3 service, if it is not Amazon's")
    parser.add_argument("--default", action="store_true", help="keep the objects of every git remote there")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """List where objects are kept, or add or remove a place for them."""
    repository = Repository()
    match args.action, args.name, args.url:
        case "list", None, None:
            _list(repository, args.json)
        case "add", str(name), str(url):
            _add(repository, name, url, args)
        case "remove", str(name), None:
            _remove(repository, name)
        case _:
            raise BadRemote("type: git theta remote, git theta remote add NAME URL, or git theta remote remove NAME")
    return 0


def _list(repository: Repository, as_json: bool) -> None:
    objects = Store.at(repository.theta_dir).objects
    places = [found[1] for s in configuration.settings(repository, ["theta"]) if (found := _URL.fullmatch(s.key))]
    named = dict.fromkeys([*remotes.names(repository), *places])
    titles = {name: remote_of(repository, objects, name).title for name in named}
    if as_json:
        print_json({"remotes": titles, "default": remotes.default(repository)})
        return
    for title in titles.values():
        print(title)
    if not titles:
        print("no remotes; to have one, type: git remote add origin URL, or git theta remote add NAME URL")


def _add(repository: Repository, name: str, url: str, args: Namespace) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", name):
        raise BadRemote(f"{name!r} is not a valid name for a remote")
    check_url(url)
    configuration.write(repository, Scope.LOCAL, f"theta.remote.{name}.url", url)
    if args.endpoint:
        configuration.write(repository, Scope.LOCAL, f"theta.remote.{name}.endpoint", args.endpoint)
    if args.default:
        configuration.write(repository, Scope.LOCAL, DEFAULT, name)
    print(f"objects can go to {name} ({url})")


def _remove(repository: Repository, name: str) -> None:
    if repository.config(f"theta.remote.{name}.url") is None:
        raise BadRemote(f"there is no remote {name}; to list them, type: git theta remote")
    configuration.remove_section(repository, Scope.LOCAL, f"theta.remote.{name}")
    if repository.config(DEFAULT) == name:
        repository.output("config", "--local", "--unset", DEFAULT)
    print(f"removed {name}; its objects stay where they are")
