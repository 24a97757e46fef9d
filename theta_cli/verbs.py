"""The verbs of `git theta`, as data: nothing of a verb is imported before it is asked for."""

from __future__ import annotations

VERBS = {
    "set up": {
        "install": "let git run theta's filter, diff driver and merge driver",
        "uninstall": "take them out of git's configuration again",
        "track": "name the files that are checkpoints; alone: list them",
        "untrack": "no longer treat these files as checkpoints",
        "add": "track files where needed, and git add them",
    },
    "look": {
        "status": "tell what changed in each checkpoint, and whether all is well",
        "diff": "compare any two states of checkpoints, or two files",
        "log": "tell what each commit did to a checkpoint",
        "blame": "tell which commit last changed each group",
        "show": "tell what is in a checkpoint, or look into some of its groups",
        "compare": "tell how far branches moved, and where they agree",
        "ls-files": "list the checkpoints of the index, and whether their objects are here",
        "env": "print versions, paths and configuration, for bug reports",
    },
    "merge": {
        "merge": "merge branches with a strategy for checkpoints, or only tell what that would do",
        "resolve": "settle what a merge left open",
        "mergetool": "settle one file, as git mergetool asks for it",
        "checkout": "write one side of a conflict to a file",
        "explain": "tell what a merge did to each group of a checkpoint, and why",
        "strategies": "list the strategies, or tell all about one",
    },
    "keep": {
        "push": "send the objects that a remote lacks",
        "fetch": "bring the objects here that checkpoints need",
        "pull": "fetch, and put the values into files that hold only their manifest",
        "remote": "list, add or remove the places where objects are kept",
        "fsck": "check every manifest of the history and every object, and repair them",
        "repack": "shorten chains of versions, and find better bases among all of them",
        "gc": "delete objects that nothing needs any more",
        "migrate": "turn plain files and those of git-lfs and git-theta 0.2.0 into checkpoints",
        "export": "turn checkpoints into git-lfs files or plain files",
    },
}
"""Heading to verb to one-line summary; verb ``a-b`` is module ``theta_cli.commands.a_b``."""

PLUMBING = {
    "filter-process": ("theta_filter.process",),
    "clean": ("theta_filter.oneshot", "clean"),
    "smudge": ("theta_filter.oneshot", "smudge"),
    "pre-push": ("theta_cli.pre_push",),
    "diff-driver": ("theta_diff.driver",),
    "merge-driver": ("theta_merge.driver",),
}
"""What git runs when the interpreter it was told of is gone: module and first arguments, as for ``python -m``."""


def summaries() -> dict[str, str]:
    """Every verb with its summary."""
    return {verb: summary for verbs in VERBS.values() for verb, summary in verbs.items()}


def module_of(verb: str) -> str:
    """The module of a verb."""
    return f"theta_cli.commands.{verb.replace('-', '_')}"
