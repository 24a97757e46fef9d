"""Clean: what git stores for a checkpoint file."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import NewerManifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import object_ids
from theta_checkpoint.manifest import parse
from theta_checkpoint.printable import counted
from theta_filter.asker import only_looks
from theta_filter.clone import Clone
from theta_filter.spool import Spooled
from theta_filter.spool import spooled
from theta_store import git_theta
from theta_store.capture import captured
from theta_store.identify import identified
from theta_store.objects import StoreNotWritable
from theta_store.reading import FileChanged

_MAX_MANIFEST = 1 << 30
_FIRST_LINE = 16
"""bytes that hold the first line of any manifest"""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What goes to git, and what the user should know."""

    content: bytes
    warning: str | None = None


def cleaned(path: str, pieces: Iterable[bytes | memoryview], clone: Clone) -> Cleaned:
    """What git stores for the bytes piped for ``path``; all values are stored when this returns.

    The same bytes always give the same manifest in a clone. A manifest is returned as it is, and so is what
    git-theta 0.2.0 keeps in place of a checkpoint: it is no file of the user's. An empty file has no manifest: git
    takes one for changed unless what it stores is empty too.
    """
    found = _cleaned(path, pieces, clone)
    if found.warning or not clone.unsettled.record(path).exists() or only_looks(clone.repository):
        return found
    return replace(found, warning=_left_open(path, found.content, clone))


def _left_open(path: str, content: bytes, clone: Clone) -> str | None:
    """What to say of a checkpoint that is added just as a merge left it, with conflicts open, as git status hints."""
    try:
        count = clone.unsettled.left_open(path, parse(content).root)
    except BadManifest:
        return None
    if not count:
        return None
    back = f"git checkout -m -- {shlex.quote(path)} && git theta resolve {shlex.quote(path)}"
    verb = "was" if count == 1 else "were"
    return f"{counted(count, 'conflict')} {verb} open in it, for which ours now stands; to choose, type: {back}"


def _cleaned(path: str, pieces: Iterable[bytes | memoryview], clone: Clone) -> Cleaned:
    with spooled(pieces, Path(path), clone.temporary) as spool:
        if not spool.source.size:
            return Cleaned(b"")
        text, warning = _given_manifest(spool)
        if text is None:
            text = _given_by_git_theta(spool)
        if text is not None:
            clone.store.objects.keep(object_ids(text))
            return Cleaned(text)
        known = clone.store.registry.manifest(spool.digest)
        result = Cleaned(known) if known and _is_kept(known, clone) else _captured(path, spool, clone, warning)
        if spool.state and clone.store.registry.content(spool.state) != spool.digest:
            clone.store.registry.remember(seen=[(spool.state, spool.digest)])
        return result


def _given_manifest(spool: Spooled) -> tuple[bytes | None, str | None]:
    """The bytes themselves if they are a manifest; a warning if they only begin like one."""
    if not is_manifest(spool.source.read(0, _FIRST_LINE)) or spool.source.size > _MAX_MANIFEST:
        return None, None
    text = spool.source.read(0, spool.source.size)
    try:
        parse(text)
    except NewerManifest:
        return text, None
    except BadManifest as error:
        return None, f"a damaged manifest, kept as an opaque file ({error}); get a sound one with: git checkout -- PATH"
    return text, None


def _given_by_git_theta(spool: Spooled) -> bytes | None:
    """The bytes themselves if they are a text of git-theta's."""
    if not git_theta.seems(spool.source.read(0, git_theta.ENOUGH)) or spool.source.size > _MAX_MANIFEST:
        return None
    text = spool.source.read(0, spool.source.size)
    return text if git_theta.parameters(text) else None


def _captured(path: str, spool: Spooled, clone: Clone, warning: str | None) -> Cleaned:
    found = identified(spool.source)
    root = found.manifest.root
    content = clone.store.registry.manifest(root)
    if not content or not _is_kept(content, clone):
        earlier = list(_parsed(clone.earlier_manifests(path)))
        same = next((m for m in earlier if m.root == root and _is_kept(bytes(m), clone)), None)
        try:
            content = bytes(same or captured(spool.source, found, clone.store, next(iter(earlier), None)))
        except StoreNotWritable:
            if not only_looks(clone.repository):
                raise
            return Cleaned(bytes(found.manifest), "its values cannot be stored here; git add would fail")
    spool.check_unchanged()
    if clone.store.objects.aside.is_dir() and not _is_kept(content, clone):
        raise FileChanged("git theta gc deleted values that it needs meanwhile; add it again")
    clone.store.registry.remember(manifests=[(spool.digest, content)])
    return Cleaned(content, warning or found.layout.warning)


def _parsed(texts: Iterable[bytes]) -> Iterator[Manifest]:
    """Those that are sound manifests."""
    for text in texts:
        with contextlib.suppress(BadManifest):
            if is_manifest(text):
                yield parse(text)


def _is_kept(text: bytes, clone: Clone) -> bool:
    """Whether all objects are here, none of them where a gc beside us may be about to delete it."""
    oids = object_ids(text)
    clone.store.objects.keep(oids)
    return all(map(clone.store.objects.has, oids))
