"""`git theta install`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli.scope_options import add_scope_options
from theta_cli.scope_options import chosen_scope
from theta_git import hooks
from theta_git.configuration import Scope
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_scope_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be written, and write nothing")
    parser.add_argument("--force", action="store_true", help="replace values that theta did not write")


def run(args: Namespace) -> int:
    """Write the filter, diff and merge sections, and git-lfs's filter section where it is missing."""
    repository = Repository()
    scope = chosen_scope(args, repository)
    changes = installation.pending(repository, scope, force=args.force)
    lfs = installation.lfs_is_missing(repository)
    if args.dry_run:
        for key, value in changes.items():
            print(f"would set ({scope}) {key} = {value}")
        if lfs:
            print(f"would set ({scope}) filter.lfs.*: git lfs install --skip-repo")
        hook = installation.default_scope(repository) == Scope.LOCAL and not hooks.is_installed(repository)
        if hook:
            print("would install the pre-push hook")
        if not (changes or lfs or hook):
            print(f"theta is already installed ({scope})")
        return 0
    file = installation.install(repository, scope, changes)
    print(f"{'installed theta in' if changes else 'theta is already installed in'} {file} ({scope})")
    installation.install_hook(repository, scope)
    if lfs:
        installation.install_lfs(repository, scope)
        print(f"installed git-lfs's filter ({scope})")
    return 0
