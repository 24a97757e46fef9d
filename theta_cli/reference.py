"""The reference of all commands, from the same tables and parsers that run them.

``python -m theta_cli.reference`` writes docs/commands.md and docs/git-theta.1; a test checks that they are up to date.
"""

from __future__ import annotations

from argparse import SUPPRESS
from argparse import Action
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from theta_cli import __version__
from theta_cli.settings import SETTINGS
from theta_cli.verbs import VERBS
from theta_cli.verbs import module_of


def commands_page() -> str:
    """docs/commands.md."""
    lines = ["# Commands", "", "As `git theta VERB -h` shows them. Generated: `python -m theta_cli.reference`."]
    for heading, verbs in VERBS.items():
        lines += ["", f"## {_sentence(heading)}"]
        for verb, summary in verbs.items():
            lines += ["", f"### git theta {verb}", "", f"{_sentence(summary)}.", "", f"    {usage(verb)}"]
            options = [f"* `{_spelling(action)}`: {_help(action)}" for action in actions(verb)]
            lines += ["", *options] if options else []
    lines += ["", "## Settings", "", "If both are set, the environment variable counts.", ""]
    lines += ["| git configuration | environment | what it sets |", "| --- | --- | --- |"]
    lines += [f"| {_code(one.key)} | {_code(one.variable)} | {one.meaning} |" for one in SETTINGS]
    return "\n".join(lines) + "\n"


def man_page() -> str:
    """docs/git-theta.1, in the man macros (man(7))."""
    lines = [
        f'.TH GIT-THETA 1 "" "theta {__version__}"',
        ".SH NAME",
        r"git-theta \- git for model checkpoints",
        ".SH SYNOPSIS",
        r"\fBgit theta\fR [\-\-version] [\-h] \fIVERB\fR [\fIARGUMENTS\fR]",
    ]
    for heading, verbs in VERBS.items():
        lines.append(f".SH {heading.upper()}")
        for verb, summary in verbs.items():
            lines += [".TP", rf"\fB{_man(usage(verb))}\fR", f"{_man(_sentence(summary))}."]
            lines += [f".br\n{_man(f'{_spelling(action)}: {_help(action)}')}" for action in actions(verb)]
    lines.append(".SH SETTINGS")
    for one in SETTINGS:
        names = ", ".join(name for name in (one.key, one.variable) if name)
        lines += [".TP", rf"\fB{_man(names)}\fR", f"{_man(_sentence(one.meaning))}."]
    return "\n".join(lines) + "\n"


def usage(verb: str) -> str:
    """``git theta track [--json] [PATTERN...]``."""
    parts = sorted(actions(verb), key=lambda action: not action.option_strings)
    return " ".join(["git theta", verb, *map(_in_usage, parts)])


def actions(verb: str) -> Iterator[Action]:
    """What the verb's parser takes, but for ``-h``."""
    parser = ArgumentParser(prog=f"git theta {verb}", add_help=False)
    import_module(module_of(verb)).configure(parser)
    # argparse tells of its arguments in no public way but a text whose layout differs between Python versions
    yield from (action for action in parser._actions if action.help != SUPPRESS)


def _in_usage(action: Action) -> str:
    text = _spelling(action).split(", ")[-1]
    if action.nargs in ("*", "+") and not action.option_strings:
        text += "..."
    return text if action.required and action.nargs != "*" else f"[{text}]"


def _spelling(action: Action) -> str:
    name = str(action.metavar or "|".join(action.choices or ()) or action.dest.upper())
    if not action.option_strings:
        return name
    return ", ".join(option if action.nargs == 0 else f"{option} {name}" for option in action.option_strings)


def _help(action: Action) -> str:
    return (action.help or "") % vars(action)


def _code(name: str | None) -> str:
    return f"`{name}`" if name else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _man(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


def main() -> None:
    """Write both pages."""
    docs = Path(__file__).parent.parent / "docs"
    (docs / "commands.md").write_text(commands_page())
    (docs / "git-theta.1").write_text(man_page())


if __name__ == "__main__":
    main()
