"""`git theta fsck`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from functools import cached_property

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.printable import counted
from theta_cli.elsewhere import Elsewhere
from theta_cli.elsewhere import asked
from theta_cli.elsewhere import told
from theta_cli.inventory import hollow_blobs
from theta_cli.inventory import manifests
from theta_cli.inventory import parsed
from theta_cli.inventory import tracked
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git import remotes
from theta_git.held import checked_out_blobs
from theta_git.repository import Repository
from theta_git.trees import UnreadableBlob
from theta_git.trees import blobs_beginning
from theta_git.trees import reachable_blobs
from theta_git.trees import unreadable_blobs
from theta_merge.conflicts import Conflicts
from theta_store.checkpoint import StoredCheckpoint
from theta_store.checks import damaged_objects
from theta_store.checks import wrong_memories
from theta_store.mend import mended
from theta_store.objects import hash_of
from theta_store.presence import missing_digests
from theta_store.presence import text_of
from theta_store.remotes.meter import Meter
from theta_store.store import Store

_CACHE = ".git/theta/known.sqlite"
_REPAIR = "to replace it, type: git theta fsck --repair"
_NO_COPY = "no remote gave a good copy; a clone that has one can: copy the file from its .git/theta/objects"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    kind: str
    """``manifest``, ``missing``, ``corrupt``, ``object``, ``cache``, ``conflict`` or ``not-a-manifest``"""
    path: str
    """of the checkpoint; of the file where it belongs to no checkpoint alone"""
    blob: str
    """of the manifest; empty where there is none"""
    message: str


@dataclass(frozen=True)
class Checked:
    """What is checked: the store, and every manifest that a ref, a reflog or an index holds."""

    repository: Repository
    store: Store

    @cached_property
    def paths(self) -> Mapping[str, str]:
        """A path of each blob."""
        return reachable_blobs(self.repository)

    @cached_property
    def manifests(self) -> Mapping[str, Manifest | BadManifest | UnreadableBlob]:
        """Each manifest by its blob, or what is wrong with it; what git cannot read may be one too."""
        found: dict[str, Manifest | BadManifest | UnreadableBlob] = {
            blob: UnreadableBlob(blob) for blob in unreadable_blobs(self.repository, self.paths)
        }
        while True:
            left = [blob for blob in self.paths if blob not in found]
            try:
                found.update((blob, parsed(text)) for blob, text in blobs_beginning(self.repository, left, HEAD))
            except UnreadableBlob as error:
                found[error.oid] = error
            else:
                return found

    @cached_property
    def objects(self) -> Mapping[str, set[str]]:
        """For each manifest, by its blob, the objects that it names."""
        sound = ((blob, found) for blob, found in self.manifests.items() if isinstance(found, Manifest))
        return {blob: _named(manifest) for blob, manifest in sound}

    @cached_property
    def users(self) -> Mapping[str, str]:
        """For each object, the path of a checkpoint that needs it."""
        return {oid: self.paths[blob] for blob, oids in self.objects.items() for oid in oids}

    @cached_property
    def missing(self) -> Mapping[str, set[str]]:
        """For each manifest that lacks some, by its blob, the objects that it needs and that are not here."""
        lacking = {oid for oid in self.users if not self.store.objects.has(oid)}
        return {blob: oids & lacking for blob, oids in self.objects.items() if not lacking.isdisjoint(oids)}

    @cached_property
    def used(self) -> set[str]:
        """The blobs that some worktree, stash or operation in progress uses now; none where nothing is missing."""
        if not self.missing:
            return set()
        return checked_out_blobs(self.repository).keys() | hollow_blobs(self.repository)

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """What the remotes say of the objects that are not here."""
        return asked(self.repository, self.store.objects, set[str]().union(*self.missing.values()))

    def lost(self, blob: str) -> set[str]:
        """What a manifest lacks and should not: what is used now must be here, and the rest at least on a remote."""
        lacking = self.missing.get(blob, set())
        return lacking if blob in self.used else lacking - self.elsewhere.every

    @property
    def unfetched(self) -> dict[str, int]:
        """For each remote, how many objects only other versions need that are there and not here."""
        used = {oid for blob, oids in self.missing.items() if blob in self.used for oid in oids}
        return self.elsewhere.counts(self.elsewhere.every - used)


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--connectivity-only", action="store_true", help="see that objects are here, do not read them")
    parser.add_argument("--repair", action="store_true", help="replace damaged and missing objects from the remotes")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Check every manifest of the history and every object: exit code 1 if anything is not as it should be."""
    repository = Repository()
    checked = Checked(repository, Store.at(repository.theta_dir))
    repaired = _repaired(checked) if args.repair else 0
    damage = () if args.connectivity_only else _damage(checked, _NO_COPY if args.repair else _REPAIR)
    findings = [*damage, *_faults(checked, args.connectivity_only)]
    findings += [*_damaged_records(repository), *_unfiltered(repository)]
    count = len(checked.manifests)
    unfetched = checked.unfetched
    if args.json:
        facts = [asdict(finding) for finding in findings]
        print_json({"manifests": count, "repaired": repaired, "findings": facts, "unfetched": unfetched})
    else:
        for finding in findings:
            blob = f" ({finding.blob[:10]})" if finding.blob else ""
            print(f"{finding.kind}: {finding.path}{blob}: {finding.message}")
        if args.repair:
            print(f"{counted(repaired, 'object')} repaired")
        for line in told(unfetched, remotes.default(repository)):
            print(line)
        print(f"{counted(count, 'manifest')} checked, {counted(len(findings), 'finding')}")
    return 1 if findings else 0


def _repaired(checked: Checked) -> int:
    """Replace what is damaged or missing; how many objects came. The cache is emptied: it fills itself again."""
    repository, objects = checked.repository, checked.store.objects
    meter = Meter("fetching", sys.stderr)
    count = mended(repository, objects, damaged_objects(objects), checked.users.keys(), meter)
    meter.close()
    (repository.theta_dir / "known.sqlite").unlink(missing_ok=True)
    return count


def _damage(checked: Checked, remedy: str) -> Iterator[Finding]:
    """Objects that are not what their names say, with what to do about one, and what the cache remembers wrongly."""
    hint = "to forget it, type: git theta fsck --repair"
    if message := checked.store.registry.damage():
        yield Finding("cache", _CACHE, "", f"{message}; {hint}")
    users = {hash_of(oid): path for oid, path in checked.users.items()}
    for path in damaged_objects(checked.store.objects):
        user = users.get(path.name)
        needed = f"needed by {user}; {remedy}" if user else "nothing needs it"
        yield Finding("object", os.path.relpath(path), "", f"its bytes are not those that its name says; {needed}")
    for blob, manifest in checked.manifests.items():
        for message in wrong_memories(manifest, checked.store) if isinstance(manifest, Manifest) else ():
            yield Finding("cache", _CACHE, blob, f"{message}; {hint}")


def _faults(checked: Checked, shallow: bool) -> Iterator[Finding]:
    """What is wrong with the manifests; digests found sound before are not read again."""
    sound: set[str] = set()
    for blob, manifest in checked.manifests.items():
        path = checked.paths[blob]
        if not isinstance(manifest, Manifest):
            yield Finding("manifest", path, blob, str(manifest))
            continue
        if lost := checked.lost(blob):
            yield Finding("missing", path, blob, _missing(manifest, lost, checked.elsewhere))
        for message in () if shallow else _unreadable(StoredCheckpoint(manifest, checked.store.objects), sound):
            yield Finding("corrupt", path, blob, message)


def _named(manifest: Manifest) -> set[str]:
    """Every object that a manifest names, whether or not its recipes fit together."""
    oids = {oid for recipe in manifest.recipes.values() for oid in recipe.oids}
    return oids | ({manifest.sketches} if manifest.sketches else set())


def _missing(manifest: Manifest, lost: set[str], elsewhere: Elsewhere) -> str:
    """What cannot be had without the lost objects, and what to do about it."""
    what = f"not here: {text_of(manifest, lost) or 'what its differences are estimated from'}"
    if lost <= elsewhere.every:
        return f"{what}; to get it, type: git theta fsck --repair"
    reasons = elsewhere.silent or ("no remote is known to have it",)
    return f"{what}; {'; '.join(reasons)}"


def _unreadable(checkpoint: StoredCheckpoint, sound: set[str]) -> Iterator[str]:
    """Why groups whose objects are all here cannot be restored."""
    manifest = checkpoint.manifest
    digests = [(name, tensor.digest) for name, tensor in manifest.groups.items()] + [(None, manifest.skeleton)]
    done = sound | missing_digests(manifest, checkpoint.objects)
    for name, digest in digests:
        if digest in done:
            continue
        try:
            _read(checkpoint, name)
            sound.add(digest)
        except Failure as error:
            yield str(error)


def _read(checkpoint: StoredCheckpoint, name: str | None) -> None:
    """Read a group, or the skeleton where there is no name; raises if a byte is missing or wrong."""
    for _ in [checkpoint.skeleton()] if name is None else checkpoint.chunks(name):
        pass


def _damaged_records(repository: Repository) -> Iterator[Finding]:
    """Conflict records of this worktree that nobody will believe."""
    for path in Conflicts.of(repository).damaged():
        hint = "what was chosen is asked again; to forget it, delete the file"
        yield Finding("conflict", os.path.relpath(path), "", f"not as it was written; {hint}")


def _unfiltered(repository: Repository) -> Iterator[Finding]:
    """Tracked files of the index that were added without the filter."""
    entries = [] if repository.is_bare else tracked(repository)
    found = manifests(repository, (entry.index for entry in entries))
    for entry in entries:
        if entry.index and entry.index not in found:
            yield Finding(
                "not-a-manifest", entry.path, entry.index, "added without the filter; type: git add --renormalize ."
            )
