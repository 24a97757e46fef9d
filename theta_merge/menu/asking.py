"""The menu: asks the user to settle conflicts, on whatever terminal there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from theta_merge.choices import Choice
from theta_merge.menu.facts import facts
from theta_merge.menu.line_by_line import LineMenu
from theta_merge.menu.preview import Previewer
from theta_merge.menu.screen import Screen
from theta_merge.menu.session import Session
from theta_merge.menu.session import resumed
from theta_merge.menu.terminal import terminal
from theta_merge.outcome import Versions
from theta_merge.side_data import Beside
from theta_store.checkpoint import StoredCheckpoint
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch
from theta_store.store import Store

_WELCOME = "say what shall stand: Enter for the line under the cursor, a for all of them"


@dataclass(frozen=True)
class Question:
    """What the user is asked."""

    title: str
    """path and how the sides are called"""
    versions: Versions
    choices: Mapping[str, Choice]
    """made before, and offered again"""
    locate: Beside
    """where side data is found, for previews"""


def asked(question: Question, store: Store, environment: Mapping[str, str]) -> Session | None:
    """The session as the user left it; None where there is no terminal to ask on."""
    with terminal(environment) as found:
        if found is None:
            return None
        conflicts = question.versions.conflicts
        session = resumed(conflicts, question.choices)
        known = sketches_of(question.versions, store.objects)
        told = partial(facts, sketches=known)
        if not found.has_room(environment):
            return LineMenu(question.title, session, told, found).run()
        from theta_merge.menu.full_screen import FullMenu

        preview = Previewer(question.versions, known, store, question.locate)
        message = "settled as before; change what you like, q takes it" if session.steps else _WELCOME
        return FullMenu(Screen(question.title, session, told, message=message), preview).run(found, environment)


def sketches_of(versions: Versions, objects: ObjectStore) -> dict[str, Sketch]:
    """The sketches of every version by digest, as far as they are here."""
    found: dict[str, Sketch] = {}
    for version in (versions.base, *versions.sides):
        if version:
            found.update(StoredCheckpoint(version, objects).sketches)
    return found
