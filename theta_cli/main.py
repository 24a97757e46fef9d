"""`git theta`: finds the verb, runs it, and tells how it ended.

Exit codes: 0 done, 1 a failure that the message explains, 2 wrong usage, 3 a bug of ours, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from theta_checkpoint.failure import Failure
from theta_checkpoint.failure import explained
from theta_cli import __version__
from theta_cli.verbs import PLUMBING
from theta_cli.verbs import VERBS
from theta_cli.verbs import module_of
from theta_cli.verbs import summaries

USAGE = "usage: git theta [--version] [-h] VERB [ARGUMENTS]"


def main() -> int:
    """Run the command line; returns the exit code."""
    _never_fail_to_print()
    _make_places_absolute()
    warnings.formatwarning = lambda message, *_, **__: f"theta: {message}\n"
    match sys.argv[1:]:
        case ["--version", *_]:
            print(f"git-theta version {__version__}")
            return 0
        case ["help", verb] if verb in summaries():
            return _guarded(verb, ["-h"])
        case ["-h" | "--help" | "help", *_]:
            print(overview())
            return 0
        case []:
            print(overview(), file=sys.stderr)
            return 2
        case [verb, *arguments] if verb in PLUMBING:
            return _plumbing(verb, arguments)
        case [verb, *arguments] if verb in summaries():
            return _guarded(verb, arguments)
        case [verb, *_]:
            print(_unknown(verb), file=sys.stderr)
    return 2


def overview() -> str:
    """The list of verbs that `git theta -h` prints."""
    width = max(map(len, summaries()))
    blocks = (
        "\n".join([heading, *(f"   {verb:<{width}}  {summary}" for verb, summary in verbs.items())])
        for heading, verbs in VERBS.items()
    )
    return "\n\n".join([USAGE, *blocks, "`git theta VERB -h` tells what a verb takes."])


def run(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb; raises whatever it raises."""
    from argparse import ArgumentParser

    gc.set_threshold(20_000)  # manifests are many small objects without cycles: a third of the time at 50,000 groups
    module = import_module(module_of(verb))
    summary = summaries()[verb]
    parser = ArgumentParser(prog=f"git theta {verb}", description=f"{summary[0].upper()}{summary[1:]}.")
    module.configure(parser)
    code: int = module.run(parser.parse_intermixed_args(_without_separator(arguments)))
    sys.stdout.flush()
    return code


def _without_separator(arguments: Sequence[str]) -> list[str]:
    """What follows ``--`` as paths that no one takes for options: mixed parsing forgets a ``--`` that comes first."""
    if "--" not in arguments:
        return list(arguments)
    at = arguments.index("--")
    paths = (f"./{path}" if path.startswith("-") else path for path in arguments[at + 1 :])
    return [*arguments[:at], *paths]


def _never_fail_to_print() -> None:
    """File names may be any bytes, and a terminal may know no more than ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _make_places_absolute() -> None:
    """``git --git-dir=../.git theta ...`` tells the places as seen from here, and we ask git from elsewhere too."""
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        if place := os.environ.get(name):
            os.environ[name] = os.path.abspath(place)


def _guarded(verb: str, arguments: Sequence[str]) -> int:
    try:
        return run(verb, arguments)
    except KeyboardInterrupt as stop:
        for text in stop.args:
            print(f"theta: {text}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader has gone: what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> int:
    from strategies.contract import MergeError

    if isinstance(error, Failure | MergeError | OSError):
        print(f"theta: {explained(error)}", file=sys.stderr)
        return 1
    import traceback

    traceback.print_exception(error)
    print(f"theta: unexpected {type(error).__name__}; please report it with the text above", file=sys.stderr)
    return 3


def _plumbing(verb: str, arguments: Sequence[str]) -> int:
    """Be the program that git wanted to start as ``python -m MODULE``."""
    from runpy import run_module

    module, *first = PLUMBING[verb]
    sys.argv = [f"git-theta {verb}", *first, *arguments]
    run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _unknown(verb: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(verb, summaries(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`git theta -h` lists the verbs"
    return f"theta: there is no verb {verb!r}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
