"""Sweeping a store: what nothing needs is set aside, and deleted once it has lain there for a while.

An object that is set aside can still be read, so whoever has just found it here still has it; the next sweep
puts it back. What is young is left alone: its manifest may not be written yet.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from theta_store.checks import stored_objects
from theta_store.objects import ObjectStore

GRACE = 14 * 24 * 3600
"""seconds, as long as git itself keeps what nothing points to"""


_LONGEST_COMMAND = 24 * 3600
"""seconds after which an unfinished file belongs to no running command"""


@dataclass
class Swept:
    """What a sweep did, or would do; objects with their sizes in bytes."""

    kept: dict[str, int] = field(default_factory=dict)
    young: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, int] = field(default_factory=dict)
    put_back: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    """unfinished files of commands that were killed"""


def sweep(objects: ObjectStore, needed: Collection[str], now: float, grace: float = GRACE, dry: bool = False) -> Swept:
    """Sweep one store of what is not ``needed``, given by SHA-256; ``now`` and ``grace`` in seconds.

    With no grace, what nothing needs is gone at once.
    """
    swept = Swept()
    for path in stored_objects(objects.aside):
        with contextlib.suppress(FileNotFoundError):
            if path.name in needed and not objects.own_path(path.name).exists():
                _move(path, objects.own_path(path.name), now, swept.put_back, dry)
            elif now - path.stat().st_mtime >= grace:
                _delete(path, swept.deleted, dry)
    for path in stored_objects(objects.folder):
        with contextlib.suppress(FileNotFoundError):
            _sweep_own(path, objects, needed, now, grace, dry, swept)
    swept.leftovers += _leftovers(objects.folder.parent, now, max(grace, _LONGEST_COMMAND), dry)
    return swept


def _sweep_own(
    path: Path, objects: ObjectStore, needed: Collection[str], now: float, grace: float, dry: bool, swept: Swept
) -> None:
    """Sweep one object of the store; raises FileNotFoundError where another gc was quicker."""
    if path.name in needed:
        swept.kept[path.name] = path.stat().st_size
    elif now - path.stat().st_mtime < grace:
        swept.young[path.name] = path.stat().st_size
    elif not grace:
        _delete(path, swept.deleted, dry)
    else:
        _move(path, objects.aside / path.name[:2] / path.name, now, swept.set_aside, dry)


def delete(objects: ObjectStore, oids: Iterable[str]) -> int:
    """Delete objects that are kept elsewhere; how many bytes that frees here."""
    gone: dict[str, int] = {}
    for oid in oids:
        if objects.own_path(oid).exists():
            _delete(objects.own_path(oid), gone, dry=False)
    return sum(gone.values())


def _move(path: Path, place: Path, now: float, moved: dict[str, int], dry: bool) -> None:
    """Its time is now that of the move, by the same clock that the next sweep looks at."""
    moved[path.name] = path.stat().st_size
    if not dry:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.utime(path, (now, now))
        path.replace(place)


def _delete(path: Path, deleted: dict[str, int], dry: bool) -> None:
    deleted[path.name] = path.stat().st_size
    if not dry:
        path.unlink()


def _leftovers(folder: Path, now: float, age: float, dry: bool) -> Iterator[str]:
    """What commands that were killed left below ``.git/theta``, files before the folders they are in."""
    found = [path for pattern in ("objects/??/*.partial", "tmp/**/*") for path in folder.glob(pattern)]
    for path in sorted(found, reverse=True):
        with contextlib.suppress(FileNotFoundError):  # a command that is at work gives its files their names meanwhile
            if now - path.lstat().st_mtime < age:
                continue
            yield str(path.relative_to(folder))
            if not dry:
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()
