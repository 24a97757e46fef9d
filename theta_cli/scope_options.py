"""The options that choose one of git's configuration files."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli.installation import default_scope
from theta_git.configuration import Scope
from theta_git.repository import Repository

_HELP = {
    Scope.LOCAL: "this repository's configuration (the default inside one)",
    Scope.GLOBAL: "this user's configuration (the default elsewhere)",
    Scope.SYSTEM: "this machine's configuration",
}


def add_scope_options(parser: ArgumentParser) -> None:
    """Declare ``--local``, ``--global`` and ``--system``."""
    one = parser.add_mutually_exclusive_group()
    for scope, text in _HELP.items():
        one.add_argument(f"--{scope}", dest="scope", action="store_const", const=scope, help=text)


def chosen_scope(args: Namespace, repository: Repository) -> Scope:
    """The scope that was given, or the default one."""
    given: Scope | None = args.scope
    return given or default_scope(repository)
