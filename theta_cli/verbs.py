"""The verbs of `git theta`, as data: nothing of a verb is imported before it is asked for."""

from __future__ import annotations

VERBS = {
    "set up": {
        "install": "let git run theta's filter, diff driver and merge driver",
        "uninstall": "remove them from git's configuration again",
        "track": "track files as checkpoints; without a pattern, list what is tracked",
        "untrack": "stop tracking files as checkpoints",
        "add": "track files if needed, and git add them",
    },
    "look": {
        "status": "show what changed in each checkpoint, and what is wrong with the setup",
        "diff": "compare any two states of checkpoints, or two files",
        "log": "show what each commit did to a checkpoint",
        "blame": "show which commit last changed each group",
        "show": "list what is in a checkpoint, or show some of its groups in detail",
        "compare": "show how far branches moved from their base, and how their changes relate",
        "ls-files": "list the checkpoints in the index, and whether their objects are here",
        "env": "print versions, paths and configuration, for bug reports",
    },
    "merge": {
        "merge": "merge branches with a strategy for checkpoints, or show what that would do",
        "resolve": "settle what a merge left open",
        "mergetool": "settle one file, as git mergetool asks for it",
        "checkout": "write one side of a conflict to a file",
        "explain": "show what a merge did to each group of a checkpoint, and why",
        "strategies": "list the strategies, or describe one",
    },
    "keep": {
        "push": "send the objects that a remote lacks",
        "fetch": "fetch the objects that checkpoints need",
        "pull": "fetch, and restore the files that contain only their manifest",
        "remote": "list, add or remove the places where objects are kept",
        "fsck": "check every manifest in the history and every object, and repair damage",
        "repack": "shorten chains of versions, and find better bases among all of them",
        "gc": "delete the objects that nothing needs any more",
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
