"""git merge --strategy NAME: what git runs as ``git-merge-NAME [--OPTION=VALUE...] BASES -- HEAD REMOTES``.

Ordinary files merge as git's own default merges them, because git itself merges them (``git merge-tree``); it
calls our merge driver for checkpoints and hands it the strategy through the environment. Exit 0: merged,
1: conflicts are in the index, 2: cannot merge, git goes back.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strategies.contract import MergeError
from theta_checkpoint.failure import Failure
from theta_git.repository import Repository
from theta_merge.choices import choice
from theta_merge.choices import options_of
from theta_merge.octopus import Octopus
from theta_merge.ordinary import MergedTree
from theta_merge.ordinary import Pair
from theta_merge.ordinary import merged_tree
from theta_merge.ordinary import merged_with_options
from theta_merge.ordinary import put_into_working_tree
from theta_merge.wishes import OPTIONS
from theta_merge.wishes import RECIPE
from theta_merge.wishes import SIDES
from theta_merge.wishes import STRATEGY
from theta_merge.wishes import VALUES
from theta_merge.wishes import read
from theta_store.store import Store

MERGED, CONFLICT, CANNOT = 0, 1, 2
PREFIX = "git-merge-"
ANY = "theta"
"""``git-merge-theta`` takes the strategy as an option"""


GIT_OPTIONS = frozenset(
    {
        "ours", "theirs", "ignore-space-change", "ignore-all-space", "ignore-space-at-eol", "ignore-cr-at-eol",
        "renormalize", "no-renormalize", "find-renames", "no-renames", "rename-threshold", "subtree", "patience",
        "histogram", "diff-algorithm",
    }
)  # fmt: skip
"""options of git's own merge: they are about ordinary files"""

SETTINGS = {"recipe": RECIPE, "values": VALUES}
"""``-X recipe=FILE``, a path from the root of the working tree, and ``-X values=theirs``"""


@dataclass(frozen=True)
class Request:
    """What git asks of a merge strategy."""

    strategy: str | None
    options: Mapping[str, object]
    settings: Mapping[str, str]
    """what the merge driver finds in its environment besides: recipe, values"""
    git_options: tuple[str, ...]
    """as they are written, for the merge of ordinary files"""
    bases: tuple[str, ...]
    head: str
    remotes: tuple[str, ...]


class BadRequest(Failure):
    """The arguments are not those that git gives to a merge strategy."""


def request_of(program: str, arguments: Sequence[str]) -> Request:
    """The request in the arguments of ``git-merge-NAME``; raises :class:`BadRequest`."""
    words = [word for word in arguments if word.startswith("--") and word != "--"]
    rest = arguments[len(words) :]
    if "--" not in rest or len(rest) < rest.index("--") + 3:
        raise BadRequest(f"this command is run by git itself: git merge --strategy {_name(program)} BRANCH")
    middle = rest.index("--")
    git_options = tuple(word for word in words if word[2:].partition("=")[0] in GIT_OPTIONS)
    options = options_of([word.removeprefix("--") for word in words if word not in git_options])
    settings = {SETTINGS[key]: str(options.pop(key)) for key in SETTINGS if key in options}
    strategy: str | None = _name(program)
    if strategy == ANY:
        strategy = str(options.pop("strategy", "")) or _implied(git_options)
    return Request(
        strategy, options, settings, git_options, tuple(rest[:middle]), rest[middle + 1], tuple(rest[middle + 2 :])
    )


def _implied(git_options: Sequence[str]) -> str | None:
    """``-X ours`` and ``-X theirs`` mean the same for checkpoints as for other files."""
    return next((f"take-{side}" for side in ("ours", "theirs") if f"--{side}" in git_options), None)


def merge(request: Request, repository: Repository) -> int:
    """Merge into the index and the working tree; the exit code for git."""
    _check(request)
    if staged := repository.output("diff-index", "--cached", "--name-only", "HEAD", "--").decode(errors="replace"):
        _say("your local changes to the following files would be overwritten by merge:")
        print(f"\t{staged.rstrip()}\nPlease commit your changes or stash them before you merge.", file=sys.stderr)
        return CANNOT
    environment = {**os.environ, **_exported(request, repository)}
    pair = Pair(request.bases, request.head, request.remotes[0])
    if len(request.remotes) > 1:
        tree = _merged_together(environment, repository)
    elif request.git_options:
        return merged_with_options(pair, request.git_options, environment, repository)
    else:
        tree = merged_tree(pair, environment, repository)
    for message in tree.messages:
        sys.stdout.buffer.write(os.fsencode(message.text) + b"\n")
    sys.stdout.buffer.flush()
    put_into_working_tree(tree, request.head, repository)
    return CONFLICT if tree.conflicts else MERGED


def _merged_together(environment: Mapping[str, str], repository: Repository) -> MergedTree:
    commits = tuple(environment[SIDES].split())
    tree, told = Octopus(commits, environment, repository, Store.at(repository.theta_dir)).tree()
    for line in told:
        _say(line)
    return tree


def _check(request: Request) -> None:
    """Refuse an unknown strategy or option, or a recipe that cannot be read, before anything is touched."""
    if recipe := request.settings.get(RECIPE):
        read(Path(recipe)).check(len(request.remotes) + 1)
    if request.strategy:
        choice(request.strategy, request.options, len(request.remotes) + 1)


def _exported(request: Request, repository: Repository) -> dict[str, str]:
    """What the merge driver reads from its environment."""
    sides = repository.output("rev-parse", request.head, *request.remotes).decode().split()
    exported = {SIDES: " ".join(sides), **request.settings}
    if request.strategy:
        exported[STRATEGY] = request.strategy
        exported[OPTIONS] = shlex.join(f"{name}={value}" for name, value in request.options.items())
    return exported


def _name(program: str) -> str:
    return Path(program).name.removeprefix(PREFIX).removesuffix(".exe")


def _say(line: str) -> None:
    print(f"theta: {line}", file=sys.stderr)


def main() -> int:
    """Run as git's merge strategy, named by the program's own name."""
    try:
        return merge(request_of(sys.argv[0], sys.argv[1:]), Repository())
    except (Failure, MergeError) as error:
        for line in str(error).splitlines():
            _say(line)
    except KeyboardInterrupt:
        _say("interrupted; nothing was merged, and what was chosen is remembered")
    except Exception:
        traceback.print_exc()
    return CANNOT


if __name__ == "__main__":
    sys.exit(main())
