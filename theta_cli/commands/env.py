"""`git theta env`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version

from theta_cli import __version__
from theta_cli import drivers
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.configuration import settings
from theta_git.repository import NotARepository
from theta_git.repository import Repository

_PACKAGES = ("torch", "numpy", "ml-dtypes", "tensorstore", "numcodecs", "blake3", "rich", "prompt-toolkit")
_SECTIONS = (*drivers.SECTIONS, "filter.lfs", "theta", "core.attributesfile", "core.hookspath")


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Print what a bug report should say: versions, paths, configuration, environment."""
    repository = Repository()
    sections = {
        "versions": _versions(),
        "paths": _paths(repository),
        "configuration": {f"{s.key} ({s.scope} {s.origin})": s.value for s in settings(repository, _SECTIONS)},
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(("GIT_THETA_", "GIT_LFS_"))},
    }
    if args.json:
        print_json(sections)
        return 0
    for title, facts in sections.items():
        print(f"{title}:")
        for key, value in facts.items():
            print(f"    {key}: {value}")
    return 0


def _versions() -> Mapping[str, str]:
    packages = {name: _package_version(name) for name in _PACKAGES}
    return {
        "theta": __version__,
        "python": platform.python_version(),
        "git": _first_line("git", "version"),
        "git-lfs": _first_line("git", "lfs", "version"),
        "system": platform.platform(),
        **packages,
    }


def _paths(repository: Repository) -> Mapping[str, str]:
    paths = {"interpreter": sys.executable, "git-theta": shutil.which("git-theta") or "not on PATH"}
    try:
        return {**paths, "git dir": str(repository.git_dir), "objects": str(repository.theta_dir / "objects")}
    except NotARepository:
        return paths


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] if not done.returncode else "not installed"
