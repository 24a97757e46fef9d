"""Git's configuration: which file says what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from theta_git.repository import Repository


class Scope(StrEnum):
    """Which of git's configuration files."""

    LOCAL = "local"
    GLOBAL = "global"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of git's configuration."""

    key: str
    value: str
    scope: str
    origin: str
    """the file (or ``command line:``) that holds it"""


def settings(repository: Repository, sections: Iterable[str]) -> list[Setting]:
    """What all configuration files say in these sections, in git's order: the last one of a key wins."""
    pattern = rf"^({'|'.join(map(re.escape, sections))})\."
    done = repository.finished("config", "--null", "--show-scope", "--show-origin", "--get-regexp", pattern)
    fields = done.stdout.decode(errors="surrogateescape").split("\0")[:-1]
    triples = zip(fields[0::3], fields[1::3], fields[2::3], strict=True)
    return [_setting(*triple) for triple in triples]


def is_on(repository: Repository, variable: str, key: str) -> bool:
    """Whether a switch is on: by an environment variable, else by git's configuration; raises GitFailed."""
    given = os.environ.get(variable)
    if given is not None:
        return given not in ("", "0", "false")
    return repository.line("config", "--type=bool", "--default=false", key) == "true"


def write(repository: Repository, scope: Scope, key: str, value: str) -> None:
    """Set a key in one file, in place of all values it had there."""
    repository.output("config", f"--{scope}", "--replace-all", key, value)


def remove_section(repository: Repository, scope: Scope, section: str) -> None:
    """Take a section out of one file."""
    repository.output("config", f"--{scope}", "--remove-section", section)


def _setting(scope: str, origin: str, entry: str) -> Setting:
    key, _, value = entry.partition("\n")
    return Setting(key, value, scope, origin.removeprefix("file:"))
