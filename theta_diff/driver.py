"""The diff driver: what git runs for every changed checkpoint (git(1), GIT_EXTERNAL_DIFF).

A git command never fails because of us: whatever goes wrong, there is a message, git's own text diff of what is
in the repository where that helps, and exit code 0.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.failure import Failure
from theta_checkpoint.failure import explained
from theta_diff.file_change import FileChange
from theta_diff.file_change import header
from theta_diff.file_change import report_of
from theta_diff.file_change import wanted_detail
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.colours import palette
from theta_diff.renderers.terminal import joined
from theta_diff.renderers.terminal import lines
from theta_diff.sides import Version
from theta_git.path_text import git_path
from theta_git.repository import Repository


def requested(arguments: Sequence[str]) -> FileChange | None:
    """The file to show from git's arguments; None for an unmerged path. Raises Failure for anything else."""
    match arguments:
        case [_]:
            return None
        case [path, *rest] if len(rest) in (6, 8):
            old, new = Version(*rest[:3]), Version(*rest[3:6])
            new_path, remarks = (rest[6], rest[7]) if len(rest) == 8 else (path, "")
            return FileChange(path, new_path, old, new, tuple(remarks.splitlines()))
    raise Failure("this command is run by git itself, as its diff driver; compare two files with: theta-diff OLD NEW")


def _shown(change: FileChange, colours: Palette) -> Iterator[str]:
    yield from (colours.paint("meta", line) for line in header(change))
    if change.same_content:
        return
    try:
        repository = Repository()
        report = report_of(change, repository.theta_dir, wanted_detail(repository))
        yield from list(lines(report, colours))
    except Exception as error:
        yield from _fallback(change, error, colours)


def _fallback(change: FileChange, error: Exception, colours: Palette) -> Iterator[str]:
    """A word to the user and git's own diff of the two blobs."""
    print(f"theta: {git_path(change.new_path)}: {explained(error)}", file=sys.stderr)
    if not isinstance(error, Failure | OSError):
        sys.excepthook(type(error), error, error.__traceback__)
    if not (change.old.has_blob and change.new.has_blob):
        yield "the two versions differ"
        return
    colour = "always" if colours.meta else "never"
    arguments = ["git", "diff", "--no-ext-diff", f"--color={colour}", change.old.oid, change.new.oid]
    done = subprocess.run(arguments, capture_output=True, check=False)
    yield from done.stdout.decode("utf-8", "replace").splitlines()


def main(arguments: Sequence[str]) -> int:
    """Print the diff that git asks for."""
    try:
        change = requested(arguments)
        shown = _shown(change, palette()) if change else [f"* Unmerged path {git_path(arguments[0])}"]
        sys.stdout.buffer.write(joined(shown).encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Failure as error:
        print(f"theta: {explained(error)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    gc.disable()  # a process this short only loses by collecting: a quarter of its time at 20,000 groups
    sys.exit(main(sys.argv[1:]))
