"""Our programs as git's configuration and hooks name them.

Each names the interpreter in which this package is installed, so it works outside of the virtual environment and
in graphical clients, and falls back to ``git-theta`` on PATH when that interpreter is gone. ``-E -P`` keep the
user's PYTHONPATH and current folder out of the import path (Python 3.11+).
"""

from __future__ import annotations

QUOTE = """'"'"'"""
"""a single quote inside single quotes, in sh"""


def command(interpreter: str, ours: str, fallback: str, arguments: str = "", start: str = "exec ") -> str:
    """A command for sh: the interpreter with ``ours``, else git-theta with ``fallback``."""
    python = "'" + interpreter.replace("'", QUOTE) + "'"
    rest = f" {arguments}" if arguments else ""
    return f"if [ -x {python} ]; then {start}{python} -E -P {ours}{rest}; else {start}git-theta {fallback}{rest}; fi"


def function(body: str) -> str:
    """A shell function and its call, to which git appends the arguments."""
    return f"f() {{ {body}; }}; f"


def hook(interpreter: str) -> str:
    """The pre-push hook's command, to which its arguments are appended."""
    return function(command(interpreter, "-m theta_cli.pre_push", "pre-push", '"$@"'))
