"""The merge driver: three manifests become one, in the file that git names first.

Run by git as ``python -E -P -m theta_merge.driver %O %A %B %L %P %S %X %Y``. Whatever happens, ``%A`` holds a
valid manifest afterwards: never text markers. Exit 0: merged; 1: conflicts, ours kept for them; 129: git shall
stop (before git 2.42 it takes that for a conflict, and ours is untouched).
"""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import sys
import time
import traceback
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strategies.contract import MergeError
from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_git.attributes import attribute
from theta_git.hooks import version
from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.choosing import chosen_in_advance
from theta_merge.choosing import chosen_or_asked
from theta_merge.commits import BesideInCommits
from theta_merge.commits import side_commits
from theta_merge.conflicts import Conflicts
from theta_merge.conflicts import Record
from theta_merge.history import remember
from theta_merge.outcome import Versions
from theta_merge.report import conflict_report
from theta_merge.settle import Settled
from theta_merge.settle import settled
from theta_merge.side_option import environment_with_side
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import Wish
from theta_merge.wishes import preferred
from theta_merge.wishes import wish
from theta_store.store import Store

MERGED, CONFLICT, STOP = 0, 1, 129
WAITS, WAIT = 100, 0.05
"""how often, and for how many seconds, an interrupted driver waits for git to end"""
MARKER_SIZE = 7
"""of git's conflict markers, unless the attribute conflict-marker-size says otherwise"""


@dataclass(frozen=True)
class Request:
    """What git asks of the driver."""

    base: Path
    ours: Path
    theirs: Path
    path: str
    """of the checkpoint in the repository"""
    labels: tuple[str, str]
    """how the operation calls ours and theirs"""
    internal: bool
    """a merge of merge bases, of which the user sees nothing"""


def request_of(arguments: Sequence[str], environment: Mapping[str, str], repository: Repository) -> Request:
    """The request in a driver's arguments; git before 2.44 leaves ``%X`` and ``%Y`` as they are."""
    base, ours, theirs, marker_size, path, *labels = arguments
    named = [label for label in labels[1:3] if label and not label.startswith("%")]
    return Request(
        Path(base),
        Path(ours),
        Path(theirs),
        path,
        (named[0], named[1]) if len(named) == 2 else ("HEAD", _branch(environment)),
        int(marker_size) > MARKER_SIZE and int(marker_size) > _usual_marker_size(path, repository),
    )


def _usual_marker_size(path: str, repository: Repository) -> int:
    """The length of the conflict markers that the user sees; git makes them longer in internal merges."""
    value = attribute(repository, "conflict-marker-size", [path]).get(path, "")
    return int(value) if value.isdigit() else MARKER_SIZE


def _branch(environment: Mapping[str, str]) -> str:
    """What ``git merge`` calls theirs; other operations do not tell before git 2.44."""
    names = [value for name, value in environment.items() if name.startswith("GITHEAD_")]
    return names[0] if len(names) == 1 else "the other side"


def merge(request: Request, repository: Repository) -> int:
    """Merge into ``request.ours``; the exit code for git."""
    store = Store.at(repository.theta_dir)
    versions = _versions(request, store)
    if versions is None:
        return CONFLICT
    wanted = wish(request.path, environment_with_side(os.environ, repository), repository)
    locate = BesideInCommits(request.path, side_commits(os.environ, repository), repository, store)
    choices = _choices(request, versions, wanted, locate)
    result = settled(versions, choices, store, preferred(wanted, versions), locate, locate.fetch)
    _write(request.ours, bytes(result.manifest))
    return _reported(request, versions, choices, result, repository)


def _versions(request: Request, store: Store) -> Versions | None:
    """The three versions; None, after a message, where one cannot be read."""
    found: list[Manifest | None] = []
    for side, file in (("base", request.base), ("ours", request.ours), ("theirs", request.theirs)):
        try:
            found.append(manifest_of(file.read_bytes(), store))
        except BadManifest as error:
            _say(f"{request.path}: the manifest of {side} is damaged ({error}); ours is kept as it is")
            return None
    base, ours, theirs = found
    if ours is None or theirs is None:
        _say(f"{request.path}: one side is an empty file; ours is kept as it is")
        return None
    return Versions(base, (ours, theirs), skeletons_in(store))


def _choices(request: Request, versions: Versions, wanted: Wish, locate: BesideInCommits) -> dict[str, Choice]:
    """What settles the conflicts; of a merge of merge bases nobody is asked."""
    if request.internal:
        return chosen_in_advance(wanted, versions, locate)
    ours, theirs = request.labels
    title = f"{request.path} (ours: {ours}, theirs: {theirs})"
    return chosen_or_asked(title, wanted, versions, locate, os.environ)


def _reported(
    request: Request,
    versions: Versions,
    choices: dict[str, Choice],
    result: Settled,
    repository: Repository,
) -> int:
    """Tell what is open, on stderr and in the record; the exit code."""
    conflicts = Conflicts.of(repository)
    if not request.internal:
        for line in conflict_report(request.path, result, len(versions.decisions)):
            _say(line)
    if not result.open:
        conflicts.remove(request.path)
        if not request.internal:
            remember(bytes(result.manifest), choices, repository)
        return MERGED
    if not request.internal:
        conflicts.write(request.path, Record.of(versions, result.manifest.root, result.open, choices))
    return CONFLICT


def _write(path: Path, content: bytes) -> None:
    """Replace the file as a whole: killed at any point, it holds ours or the result."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _say(line: str) -> None:
    print(f"theta: {line}", file=sys.stderr)


def _way_out(path: str, repository: Repository) -> str:
    """What to type once it is corrected: newer git ends the merge here, older git takes it for a conflict."""
    if version(repository) >= (2, 42):
        return "nothing was merged; correct this and begin again"
    return f"{path}: ours is kept as it is; correct this, then type: git theta resolve {shlex.quote(path)}"


def _tidy(files: Sequence[str], git: int) -> None:
    """Remove the files that git made for us, if the same interrupt ended git: it leaves them in the working tree."""
    for _ in range(WAITS):
        if os.getppid() != git:
            for file in files:
                Path(file).unlink(missing_ok=True)
            return
        time.sleep(WAIT)


def main() -> int:
    """Run as git's merge driver."""
    if len(sys.argv) < 6:
        _say("this command is run by git itself, as its merge driver")
        return STOP
    repository, git = Repository(), os.getppid()
    try:
        return merge(request_of(sys.argv[1:], os.environ, repository), repository)
    except (Failure, MergeError) as error:
        _say(f"{sys.argv[5]}: {error}")
        _say(_way_out(sys.argv[5], repository))
    except KeyboardInterrupt:
        _tidy(sys.argv[1:4], git)
        with contextlib.suppress(OSError):  # the terminal may be gone
            _say(f"{sys.argv[5]}: interrupted; ours is kept as it is, and what was chosen is remembered")
    except Exception:
        traceback.print_exc()
    return STOP


if __name__ == "__main__":
    gc.disable()  # manifests and sketches of 20,000 groups lie in no cycles; to look for them takes a fifth of the time
    sys.exit(main())
