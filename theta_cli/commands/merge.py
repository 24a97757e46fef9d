"""`git theta merge`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from argparse import REMAINDER
from argparse import ArgumentParser
from argparse import Namespace

from theta_cli import installation
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.repository import Repository
from theta_merge.dry_run import dry_run
from theta_merge.report import described_conflict
from theta_merge.report import outcome_json
from theta_merge.report import outcome_summary
from theta_merge.wishes import OPTIONS
from theta_merge.wishes import RECIPE
from theta_merge.wishes import STRATEGY
from theta_merge.wishes import given


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("branches", nargs="+", metavar="BRANCH", help="what to merge into HEAD")
    parser.add_argument("-s", "--strategy", metavar="NAME", help="what settles conflicts in checkpoints")
    parser.add_argument(
        "-X", dest="options", metavar="OPTION=VALUE", action="append", default=[], help="an option of the strategy"
    )
    parser.add_argument("--recipe", metavar="FILE", help="rules in TOML: which strategy for which groups")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be done, and change nothing")
    parser.add_argument("--git", dest="rest", nargs=REMAINDER, default=[], help="further options for git merge")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Run `git merge` with the strategy, or only tell what it would do to checkpoints."""
    repository = Repository()
    _ = repository.top
    for commit in ("HEAD", *args.branches):
        repository.commit(commit)
    environment = {**os.environ, **_exported(args)}
    if args.dry_run:
        return _told(args, environment, repository)
    installation.ensure_installed(repository)
    strategy = ["-s", "theta"] if len(args.branches) > 1 else []
    return subprocess.run(
        ["git", "merge", *strategy, *args.rest, *args.branches], env=environment, check=False
    ).returncode


def _exported(args: Namespace) -> dict[str, str]:
    """What the merge driver reads; everything is checked here, before git starts."""
    given(args.strategy, args.options, args.recipe).check(len(args.branches) + 1)
    exported = {}
    if args.strategy:
        exported = {STRATEGY: args.strategy, OPTIONS: shlex.join(args.options)}
    if args.recipe:
        exported[RECIPE] = os.path.abspath(args.recipe)
    return exported


def _told(args: Namespace, environment: dict[str, str], repository: Repository) -> int:
    outcomes = dry_run(args.branches, environment, repository)
    if args.json:
        print_json({"checkpoints": [{"path": path, **outcome_json(one)} for path, one in outcomes.items()]})
        return int(any(one.open for one in outcomes.values()))
    for path, one in outcomes.items():
        print(f"{path}: {outcome_summary(one)}")
        for note in one.notes:
            print(f"    {note}")
        for item in one.open:
            print(f"    {described_conflict(item)}")
    if not outcomes:
        print("no checkpoint differs on both sides", file=sys.stderr)
    return int(any(one.open for one in outcomes.values()))
