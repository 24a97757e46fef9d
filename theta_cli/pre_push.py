"""The pre-push hook: objects go first, so a commit never arrives without its values."""

from __future__ import annotations

import os
import sys

from theta_checkpoint.failure import Failure
from theta_cli.sending import sent
from theta_git.outgoing import known_tips
from theta_git.outgoing import outgoing_blobs
from theta_git.outgoing import ref_updates
from theta_git.repository import Repository
from theta_store.remotes.chosen import destination

SKIP = "GIT_THETA_SKIP_PUSH"


def main() -> int:
    """Serve git: ``pre-push NAME URL``, one updated ref a line on standard input; returns the exit code."""
    if os.environ.get(SKIP, "0") not in ("", "0"):
        return 0
    match sys.argv[1:]:
        case [name, *urls] if not sys.stdin.isatty():
            url = urls[0] if urls else name
        case _:
            print("usage: git theta pre-push NAME [URL] <REFS (git itself runs this)", file=sys.stderr)
            return 2
    repository = Repository()
    try:
        updates = ref_updates(sys.stdin)
        there = known_tips(repository, updates, name, url) if updates else []
        sent(repository, destination(repository, name, url), outgoing_blobs(repository, updates, there))
    except (Failure, OSError) as error:
        print(f"theta: {error}", file=sys.stderr)
        print(f"theta: the push was stopped; to push without objects: {SKIP}=1 git push", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
