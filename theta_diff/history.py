"""The history of one checkpoint: which commit changed which groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import ANY_VERSION
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_diff.compare import NamedTensor
from theta_diff.compare import named_tensors
from theta_diff.distances import Located
from theta_diff.patterns import matcher
from theta_git.repository import GitFailed
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_store import sketches
from theta_store.objects import ObjectStore

_FORMAT = "--format=%x01%H%x00%as%x00%an%x00%s"
_RECORD = re.compile("\x01(?=[0-9a-f]{40,64}\0)")
"""what begins a record, and what no subject can contain"""


class NoSuchVersion(Failure):
    """A revision that does not hold the file."""


class NoSuchGroup(Failure):
    """A pattern that matches no group of any version."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that changed a file."""

    oid: str
    date: str
    """of the author, YYYY-MM-DD"""
    author: str
    subject: str

    @property
    def short(self) -> str:
        """As much of the id as people type."""
        return self.oid[:10]


@dataclass(frozen=True, slots=True)
class Step:
    """What one commit did to a file: its blobs before (one for each parent) and after; None where it is absent."""

    commit: Commit
    old: tuple[str | None, ...]
    new: str | None


def steps(repository: Repository, path: str, revision: str = "HEAD", limit: int | None = None) -> list[Step]:
    """The commits that changed a file, newest first and before it was renamed too; a merge if its file is like that of
    no parent.

    ``path`` is relative to the current folder. Raises NoSuchVersion where there is no such commit, NoSuchCommit for
    an unknown revision, OutsideOfRepository.
    """
    if (repository.folder / path).is_dir():
        raise NoSuchVersion(_folder_text(path))
    options = [] if limit is None else [f"--max-count={limit}"]
    done = repository.finished(
        "--literal-pathspecs", "log", _FORMAT, "-c", "--raw", "-z", "--no-abbrev", "--follow", "--topo-order",
        *options, "--end-of-options", revision, "--", path,
    )  # fmt: skip
    if done.returncode:
        repository.commit(revision)
        repository.check_inside([path])
        raise GitFailed(("log",), done.stderr.decode(errors="replace"))
    records = _RECORD.split(os.fsdecode(done.stdout))[1:]
    found = [step for record in records if (step := _step(record))]
    if not found:
        raise NoSuchVersion(f"no commit of {revision} changed {path}; to list checkpoints, type: git theta ls-files")
    return found


def _step(record: str) -> Step | None:
    """One commit: four fields, then (git-diff(1), RAW OUTPUT FORMAT) a colon, mode and blob for each parent."""
    oid, date, author, subject, *raw = record.split("\0")
    facts = next((field.strip() for field in raw if field.strip().startswith(":")), None)
    if facts is None:
        return None
    parents = len(facts) - len(facts.lstrip(":"))
    oids = facts[parents:].split()[parents + 1 : 2 * parents + 2]
    *old, new = (given if given.strip("0") else None for given in oids)
    return Step(Commit(oid, date, author, subject), tuple(old), new)


def blob_at(repository: Repository, revision: str, path: str) -> str:
    """The blob of a path, as seen from the current folder or from the root, in a revision; "" is the index.

    Raises NoSuchVersion, NoSuchCommit.
    """
    # from the root as well: git reads REV:PATH so, and a bare repository has no current folder
    for name in (f"{revision}:./{path}", f"{revision}:{path}"):
        done = repository.finished("rev-parse", "--quiet", "--verify", "--end-of-options", name)
        if not done.returncode:
            oid = done.stdout.decode().strip()
            if repository.line("cat-file", "-t", oid) != "blob":
                raise NoSuchVersion(_folder_text(path))
            return oid
    if revision:
        repository.commit(revision)
    raise NoSuchVersion(f"{revision or 'the index'} holds no {path}; to list checkpoints, type: git theta ls-files")


@dataclass(frozen=True, slots=True)
class Version:
    """What a manifest says of the groups that are asked for."""

    groups: Mapping[str, NamedTensor]
    sketches: str | None
    """SHA-256 of the object that holds the sketches"""
    trouble: str | None = None
    """why the manifest cannot be read"""


def versions(
    repository: Repository, path: str, oids: Iterable[str | None], pattern: str = "*"
) -> dict[str | None, Version]:
    """The groups whose name matches, of every manifest among the blobs of a file; a blob that is none has no groups.

    Raises NoSuchVersion where none is a manifest, NoSuchGroup where a pattern matches in none of them.
    """
    wanted = dict.fromkeys(oid for oid in oids if oid)
    empty = Version({}, None)
    matches = matcher(pattern)
    found: dict[str | None, Version] = {None: empty, **dict.fromkeys(wanted, empty)}
    for oid, text in blobs_beginning(repository, wanted, ANY_VERSION):
        try:
            manifest = parse(text) if is_manifest(text) else None
        except BadManifest as error:
            found[oid] = Version({}, None, str(error))
            continue
        if manifest:
            tensors = named_tensors(manifest)
            chosen = {name: tensors[name] for name in tensors if pattern == "*" or matches(name)}
            found[oid] = Version(chosen, manifest.sketches)
    if wanted and all(found[oid] is empty for oid in wanted):
        raise NoSuchVersion(f"{path} is no checkpoint there; to list checkpoints, type: git theta ls-files")
    if pattern != "*" and not any(version.groups for version in found.values()):
        raise NoSuchGroup(f"no group of {path} is named like {pattern!r}; to list them, type: git theta show {path}")
    return found


def located(version: Version, objects: ObjectStore) -> Located:
    """The version with the sketches that are here."""
    return Located(version.groups, sketches.stored(version.sketches, objects))


def _folder_text(path: str) -> str:
    return f"{path} is a folder; to list the checkpoints in it, type: git theta ls-files {path}"


def touched(step: Step, known: Mapping[str | None, Version]) -> set[str]:
    """The groups that a commit changed, added or removed: they are like those of no parent."""
    new = known[step.new].groups
    olds = [known[oid].groups for oid in step.old]
    names = set(new).union(*olds)
    return {name for name in names if all(_content(new, name) != _content(old, name) for old in olds)}


def blamed(steps: Iterable[Step], known: Mapping[str | None, Version], tip: str) -> dict[str, Commit]:
    """The last commit to change each group of the blob ``tip``, from the steps that lead to it, newest first."""
    left = dict(known[tip].groups)
    found: dict[str, Commit] = {}
    for step in steps:
        if not left:
            break
        for name in touched(step, known) & left.keys():
            if _content(known[step.new].groups, name) == left[name].content:
                found[name] = step.commit
                del left[name]
    return found


def blobs(steps: Iterable[Step]) -> Iterator[str | None]:
    """Every blob of the steps."""
    for step in steps:
        yield from (*step.old, step.new)


def _content(groups: Mapping[str, NamedTensor], name: str) -> object:
    return groups[name].content if name in groups else None
