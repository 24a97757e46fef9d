"""The one exception that is meant for the user's eyes, and what is printed of the others."""

from __future__ import annotations

import os

from theta_checkpoint.printable import printable


class Failure(Exception):
    """Something the user can act on: the text names the path, the group and the next command.

    Drivers and commands print it without a traceback; each room derives its own kinds beside the code that
    raises them.
    """


def explained(error: Exception) -> str:
    """What to print of an error: a file's trouble without its errno, and nothing that a terminal would obey."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        text = f"{place}{error.strerror[0].lower()}{error.strerror[1:]}"
    return "\n".join(map(printable, text.split("\n")))
