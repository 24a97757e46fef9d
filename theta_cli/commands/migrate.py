"""`git theta migrate`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli.conversion import Conversion
from theta_cli.conversion import to_theta
from theta_cli.migration import migrate_head
from theta_cli.migration import migrate_history
from theta_git.attributes import TRACKED
from theta_git.repository import Repository


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="as in .gitattributes, such as '*.pt'")
    parser.add_argument("--everything", action="store_true", help="rewrite every commit of every branch and tag")


def run(args: Namespace) -> int:
    """Turn plain files and those of git-lfs and git-theta 0.2.0 into checkpoints: in a new commit, or everywhere."""
    repository = Repository()
    _ = repository.top
    installation.installed_if_needed(repository)
    conversion = Conversion(repository, args.patterns, TRACKED, to_theta)
    message = f"Track {' '.join(args.patterns)} with theta"
    told = migrate_history(conversion) if args.everything else migrate_head(conversion, message)
    print("\n".join(told))
    return 0
