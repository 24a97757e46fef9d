"""What the filter tells the user about a path, on standard error: git shows it between its own messages."""

from __future__ import annotations

import sys

from theta_checkpoint.failure import explained
from theta_git.path_text import git_path


def warn(path: str, warning: str | None) -> None:
    """Print the warning, if there is one."""
    if warning:
        print(f"theta: {git_path(path)}: {warning}", file=sys.stderr)


def report(path: str, error: Exception) -> None:
    """Print why the path could not be served."""
    warn(path, explained(error))
