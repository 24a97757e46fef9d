"""Wishes: the strategy that the environment, the configuration or the attributes ask for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from theta_git.repository import Repository
from theta_merge.choices import options_of

STRATEGY = "GIT_THETA_STRATEGY"
OPTIONS = "GIT_THETA_OPTIONS"
SIDES = "GIT_THETA_SIDES"
"""the commits that are merged, ours first: where side data such as Fisher information is looked for"""


@dataclass(frozen=True)
class Wish:
    """A strategy by name, for every conflict."""

    strategy: str
    options: Mapping[str, object]


def wish(path: str, environment: Mapping[str, str], repository: Repository) -> Wish | None:
    """The default strategy for a path: environment, then configuration, then attribute; None if nothing is said.

    Options come as shell words, ``weights=0.7,0.3 normalize=false``, from ``GIT_THETA_OPTIONS`` or
    ``theta.merge.options``. Raises :class:`strategies.contract.MergeError` for options that cannot be read.
    """
    name = environment.get(STRATEGY) or repository.config("theta.merge.strategy") or _attribute(path, repository)
    if not name:
        return None
    words = environment.get(OPTIONS) or repository.config("theta.merge.options") or ""
    return Wish(name, options_of(shlex.split(words)))


def _attribute(path: str, repository: Repository) -> str | None:
    answer = repository.output("check-attr", "-z", "theta-strategy", "--", path).split(b"\0")
    value = answer[2].decode(errors="replace") if len(answer) > 2 else "unspecified"
    return None if value in ("unspecified", "unset", "set") else value
