"""`git theta uninstall`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli.scope_options import add_scope_options
from theta_cli.scope_options import chosen_scope
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_scope_options(parser)


def run(args: Namespace) -> int:
    """Remove the sections that hold only what theta wrote, and tell what is left and where."""
    repository = Repository()
    scope = chosen_scope(args, repository)
    removal = installation.uninstall(repository, scope)
    for section in removal.removed:
        print(f"removed {section} ({scope})")
    if not removal.removed:
        print(f"nothing to remove ({scope})")
    for setting in removal.left:
        print(f"theta: {setting.origin} ({setting.scope}) still holds {setting.key}", file=sys.stderr)
    return 0
