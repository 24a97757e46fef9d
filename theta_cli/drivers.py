"""The configuration that makes git run our filter, diff driver and merge driver.

Every value names the interpreter in which this package is installed, so it works outside of the virtual
environment and in graphical clients, and falls back to ``git-theta`` on PATH when that interpreter is gone.
``-E -P`` keep the user's PYTHONPATH and current folder out of the import path (Python 3.11+).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from collections.abc import Mapping

from theta_cli.verbs import summaries
from theta_git.configuration import Setting
from theta_git.programs import QUOTE
from theta_git.programs import command
from theta_git.programs import function

SECTIONS = ("filter.theta", "diff.theta", "merge.theta", "mergetool.theta")

_INTERPRETER = re.compile(r"""if \[ -x '((?:[^']|'"'"')+)' \]; then """)


def wanted(interpreter: str) -> dict[str, str]:
    """Every key and its value, in the order in which they are safe to write.

    A merge section with a name and no driver is fatal to git, so the driver comes first.
    """
    values = {
        "filter.theta.process": command(interpreter, "-m theta_filter.process", "filter-process"),
        "filter.theta.clean": _expanded(interpreter, "-m theta_filter.oneshot clean", "clean", "%f"),
        "filter.theta.smudge": _expanded(interpreter, "-m theta_filter.oneshot smudge", "smudge", "%f"),
        "filter.theta.required": "true",
        "diff.theta.command": function(command(interpreter, "-m theta_diff.driver", "diff-driver", '"$@"')),
        "merge.theta.driver": _expanded(
            interpreter, "-m theta_merge.driver", "merge-driver", "%O %A %B %L %P %S %X %Y"
        ),
        "merge.theta.name": "checkpoint merge, parameter group by parameter group",
        "merge.theta.recursive": "binary",
    }
    if "mergetool" in summaries():
        sides = '"$BASE" "$LOCAL" "$REMOTE" "$MERGED"'
        # git evaluates it in its own shell, which an exec would end
        values["mergetool.theta.cmd"] = command(
            interpreter, "-m theta_cli.main mergetool", "mergetool", sides, start=""
        )
        values["mergetool.theta.trustexitcode"] = "true"
    return values


def interpreter() -> str:
    """The path of this interpreter, by one name for all that a virtual environment gives it."""
    inside = os.path.join(os.path.dirname(sys.executable), "python3")
    return inside if sys.prefix != sys.base_prefix and os.access(inside, os.X_OK) else sys.executable


def is_ours(key: str, value: str) -> bool:
    """Whether a value is one that we wrote, with whatever interpreter."""
    return wanted(interpreter_in(value) or "").get(key.lower()) == value


def interpreter_in(value: str) -> str | None:
    """The interpreter that a value of ours names."""
    found = _INTERPRETER.match(value.removeprefix("f() { "))
    return found[1].replace(QUOTE, "'").replace("%%", "%") if found else None


def effective(settings: Iterable[Setting]) -> dict[str, Setting]:
    """The setting that wins for each key."""
    return {setting.key.lower(): setting for setting in settings}


def health(settings: Mapping[str, Setting]) -> list[str]:
    """What is wrong with the installed configuration, each with what to type; empty if all is well."""
    if not settings:
        return ["theta is not installed in git's configuration; type: git theta install"]
    incomplete = [key for key in wanted("") if key not in settings]
    gone = {
        interpreter
        for setting in settings.values()
        if (interpreter := interpreter_in(setting.value)) and not os.access(interpreter, os.X_OK)
    }
    foreign = [s for s in settings.values() if s.key.lower() in wanted("") and not is_ours(s.key, s.value)]
    return [
        *(f"{key} is not set; type: git theta install" for key in incomplete),
        *(f"the interpreter {path} is gone; type: git theta install" for path in sorted(gone)),
        *(f"{s.key} in {s.origin} is not theta's: {s.value}" for s in foreign),
    ]


def _expanded(interpreter: str, ours: str, fallback: str, placeholders: str) -> str:
    """A command in which git replaces what begins with a percent sign."""
    return command(interpreter.replace("%", "%%"), ours, fallback, placeholders)
