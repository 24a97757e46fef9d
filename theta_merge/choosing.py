"""Choosing: what settles the conflicts of one checkpoint while git merges it.

First what was said in advance, then, with ``theta.rerere``, what settled them before, then what the user says.
"""

from __future__ import annotations

from collections.abc import Mapping

from theta_merge.choices import Choice
from theta_merge.commits import BesideInCommits
from theta_merge.memory import Memory
from theta_merge.menu.asking import Question
from theta_merge.menu.asking import asked
from theta_merge.outcome import Versions
from theta_merge.wishes import Wish
from theta_merge.wishes import chosen


def chosen_in_advance(wanted: Wish, versions: Versions, locate: BesideInCommits) -> dict[str, Choice]:
    """The choice for each conflict that nobody has to be asked about, by name."""
    repository = locate.repository
    remembers = repository.config("theta.rerere") == "true"
    before = Memory.of(repository).recalled(versions) if remembers else {}
    return {**before, **chosen(wanted, locate.path, versions)}


def chosen_or_asked(
    title: str, wanted: Wish, versions: Versions, locate: BesideInCommits, environment: Mapping[str, str]
) -> dict[str, Choice]:
    """The choice for each conflict, by name; of those that are missing here the user, if there is one, wants none."""
    choices = chosen_in_advance(wanted, versions, locate)
    if len(choices) == len(versions.conflicts):
        return choices
    session = asked(Question(title, versions, choices, locate), environment)
    return session.choices if session else choices
