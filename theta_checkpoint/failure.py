"""The one exception that is meant for the user's eyes."""

from __future__ import annotations


class Failure(Exception):
    """Something the user can act on: the text names the path, the group and the next command.

    Drivers and commands print it without a traceback; each room derives its own kinds beside the code that
    raises them.
    """
