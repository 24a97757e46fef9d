"""`git theta uninstall`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli import tracking
from theta_cli.scope_options import add_scope_options
from theta_cli.scope_options import chosen_scope
from theta_git.repository import NotARepository
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
    if removal.removed and not removal.left and (where := _still_tracked(repository)):
        print(f"theta: {where} still names checkpoints: git adds them as they are from now on", file=sys.stderr)
        print("theta: to go back to plain files or git-lfs, also in history, type: git theta export", file=sys.stderr)
    for setting in removal.left:
        print(f"theta: {setting.origin} ({setting.scope}) still holds {setting.key}", file=sys.stderr)
    return 0


def _still_tracked(repository: Repository) -> str | None:
    """An attributes file of the working tree that names checkpoints; None if there is none, or no working tree."""
    try:
        return next((line.shown_file for line in tracking.tracked_lines(repository)), None)
    except NotARepository:
        return None
