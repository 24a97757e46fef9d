"""The menu: asks the user to settle conflicts, on whatever terminal there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from theta_checkpoint.manifest import Manifest
from theta_merge.choices import Choice
from theta_merge.commits import BesideInCommits
from theta_merge.memory import Memory
from theta_merge.menu.facts import facts
from theta_merge.menu.preview import Previewer
from theta_merge.menu.screen import Screen
from theta_merge.menu.session import Session
from theta_merge.menu.session import resumed
from theta_merge.menu.terminal import Terminal
from theta_merge.menu.terminal import terminal
from theta_merge.outcome import Versions
from theta_store.checkpoint import StoredCheckpoint
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch

if TYPE_CHECKING:
    from theta_merge.menu.full_screen import FullMenu
    from theta_merge.menu.line_by_line import LineMenu

_RESUMED = "settled as last time: change what you like; q accepts it"
_WELCOME = "Enter chooses for the line under the cursor, a for all lines; ? helps"


@dataclass(frozen=True)
class Question:
    """What the user is asked."""

    title: str
    """path and how the sides are called"""
    versions: Versions
    choices: Mapping[str, Choice]
    """made before, and offered again"""
    locate: BesideInCommits
    """where side data is found, for previews"""


def asked(question: Question, environment: Mapping[str, str]) -> Session | None:
    """The session as the user left it; None where there is no terminal to ask on.

    What was chosen for these very conflicts before is offered again, and what is chosen now is remembered even if
    the terminal goes away. Sketches that are not here are fetched first: they are small, and tell what each side did.
    """
    with terminal(environment) as found:
        if found is None:
            return None
        versions, memory = question.versions, Memory.of(question.locate.repository)
        menu = _menu(question, memory.recalled(versions), found, environment)
        try:
            return menu.run()
        finally:
            memory.remember(versions, menu.session.choices)


def _menu(
    question: Question, before: Mapping[str, Choice], found: Terminal, environment: Mapping[str, str]
) -> FullMenu | LineMenu:
    """The menu that fits on the terminal."""
    versions, store = question.versions, question.locate.store
    missed = question.locate.brought([version.sketches for version in _known(versions) if version.sketches])
    known = sketches_of(versions, store.objects)
    told = partial(facts, sketches=known)
    session = resumed(versions.conflicts, {**before, **question.choices})
    preview = Previewer(versions, known, store, question.locate)
    if not found.has_room(environment):
        from theta_merge.menu.line_by_line import LineMenu

        return LineMenu(question.title, session, told, preview, found, missed or "")
    from theta_merge.menu.full_screen import FullMenu

    message = missed or (_RESUMED if session.steps else _WELCOME)
    return FullMenu(Screen(question.title, session, told, message=message), preview, found, environment)


def sketches_of(versions: Versions, objects: ObjectStore) -> dict[str, Sketch]:
    """The sketches of every version by digest, as far as they are here."""
    found: dict[str, Sketch] = {}
    for version in _known(versions):
        found.update(StoredCheckpoint(version, objects).sketches)
    return found


def _known(versions: Versions) -> list[Manifest]:
    return [version for version in (versions.base, *versions.sides) if version]
