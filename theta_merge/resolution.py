"""Resolution: conflicts that git holds in its index become merged checkpoints.

Works on the three stage blobs, so no checkpoint has to be written before the merged one.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from strategies.contract import MergeError
from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import is_manifest
from theta_git.commits import written_blob
from theta_git.repository import Repository
from theta_merge.choices import Choice
from theta_merge.choices import choice
from theta_merge.commits import BesideInCommits
from theta_merge.commits import side_commits
from theta_merge.conflicts import Conflicts
from theta_merge.conflicts import Record
from theta_merge.conflicts import roots
from theta_merge.history import remember
from theta_merge.memory import Memory
from theta_merge.menu.asking import Question
from theta_merge.menu.asking import asked
from theta_merge.outcome import Versions
from theta_merge.recipe import matches
from theta_merge.settle import Settled
from theta_merge.settle import settled
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import Wish
from theta_merge.wishes import chosen
from theta_merge.wishes import preferred
from theta_store.store import Store

BASE, OURS, THEIRS = 1, 2, 3
"""stages of the index"""


class CannotResolve(Failure):
    """The path is not one that can be resolved so."""


@dataclass(frozen=True)
class Unmerged:
    """A path with a conflict in the index."""

    path: str
    """from the root of the working tree"""
    stages: Mapping[int, tuple[str, str]]
    """stage to mode and blob"""


@dataclass(frozen=True)
class Request:
    """How conflicts are to be settled."""

    wish: Wish = field(default_factory=Wish)
    match: str | None = None
    """a glob: only these groups"""
    interactive: bool = False


@dataclass(frozen=True)
class Resolver:
    """Resolves paths of one working tree."""

    repository: Repository
    """at the root of the working tree"""
    store: Store
    environment: Mapping[str, str]

    @classmethod
    def at(cls, repository: Repository, environment: Mapping[str, str]) -> Resolver:
        """The resolver for the working tree around a folder."""
        top = Repository(repository.top)
        return cls(top, Store.at(top.theta_dir), environment)

    @property
    def conflicts(self) -> Conflicts:
        """The records of what is open."""
        return Conflicts.of(self.repository)

    def unmerged(self, paths: Iterable[str] = ()) -> list[Unmerged]:
        """The checkpoints with conflicts among these paths (all, if none is given), sorted."""
        return [one for one in self._unmerged(paths) if self._is_checkpoint(one.stages)]

    def unmerged_files(self) -> list[str]:
        """The ordinary files with conflicts, sorted."""
        return [one.path for one in self._unmerged(()) if not self._is_checkpoint(one.stages)]

    def _unmerged(self, paths: Iterable[str]) -> list[Unmerged]:
        found: dict[str, dict[int, tuple[str, str]]] = {}
        literal = [f":(top,literal){path}" for path in paths]
        for entry in self.repository.output("ls-files", "-u", "-z", "--", *literal).split(b"\0")[:-1]:
            head, _, name = entry.partition(b"\t")
            mode, oid, stage = head.decode().split()
            found.setdefault(name.decode(errors="surrogateescape"), {})[int(stage)] = (mode, oid)
        return [Unmerged(path, stages) for path, stages in sorted(found.items())]

    def _is_checkpoint(self, stages: Mapping[int, tuple[str, str]]) -> bool:
        return any(is_manifest(self.repository.blob(oid) or b"") for _, oid in stages.values())

    def versions(self, one: Unmerged) -> Versions:
        """The versions in conflict; raises :class:`CannotResolve` where a side does not have the file."""
        for stage, side in ((OURS, "ours"), (THEIRS, "theirs")):
            if stage not in one.stages:
                raise CannotResolve(
                    f"{one.path}: {side} deleted the file; keep it with: git add {one.path}, or: git rm {one.path}"
                )
        blobs = [self.repository.blob(one.stages[stage][1]) if stage in one.stages else b"" for stage in (1, 2, 3)]
        base, ours, theirs = (manifest_of(blob or b"", self.store) for blob in blobs)
        if ours is None or theirs is None:
            raise CannotResolve(f"{one.path}: one side is an empty file; take a side with: git checkout --ours")
        return Versions(base, (ours, theirs), skeletons_in(self.store))

    def resolve(self, one: Unmerged, request: Request) -> Settled:
        """Settle what the request covers; once nothing is open, index and working tree hold the result."""
        versions = self.versions(one)
        locate = BesideInCommits(one.path, side_commits(self.environment, self.repository), self.repository, self.store)
        choices = self._choices(one, versions, request, locate)
        result = settled(versions, choices, self.store, preferred(request.wish, versions), locate, locate.fetch)
        Memory.of(self.repository).remember(versions, choices)
        if result.open:
            before = self.conflicts.read(one.path)
            kept = before.kept if before else ""
            self.conflicts.write(one.path, Record.of(versions, kept, result.open, choices))
        else:
            remember(bytes(result.manifest), choices, self.repository)
            self.finish(one, bytes(result.manifest))
        return result

    def finish(self, one: Unmerged, content: bytes) -> None:
        """Make a blob the resolution of a path, in the index and in the working tree."""
        oid = written_blob(self.repository, content)
        mode = _merged_mode(one.stages)
        self.repository.output("update-index", "--add", "--cacheinfo", f"{mode},{oid},{one.path}")
        self.repository.output("checkout-index", "-f", "-u", "--", one.path)
        self.conflicts.remove(one.path)

    def _choices(
        self, one: Unmerged, versions: Versions, request: Request, locate: BesideInCommits
    ) -> dict[str, Choice]:
        """Choices made before, those of the request, and those of the menu.

        A request settles what is still open; one with a pattern also changes what was chosen before.
        """
        earlier, fresh = self.earlier(one.path, versions), _within(request, one.path, versions)
        choices = {**fresh, **earlier} if request.match is None else {**earlier, **fresh}
        if not request.interactive:
            return choices
        session = asked(Question(one.path, versions, choices, locate), self.environment)
        if session is None:
            raise CannotResolve("there is no terminal to ask on; give --strategy NAME")
        return session.choices

    def earlier(self, path: str, versions: Versions) -> dict[str, Choice]:
        """Choices that were made for the same conflict before."""
        record = self.conflicts.read(path)
        if not record or record.roots != roots(versions):
            return {}
        found = {}
        for name, saved in record.choices.items():
            options = saved.get("options")
            try:
                found[name] = choice(str(saved["strategy"]), options if isinstance(options, dict) else {}, 2)
            except (MergeError, KeyError):
                continue
        return {name: found[name] for name in (conflict.name for conflict in versions.conflicts) if name in found}


def _within(request: Request, path: str, versions: Versions) -> dict[str, Choice]:
    """What the wish settles, of the groups that the request is about."""
    choices = chosen(request.wish, path, versions)
    if request.match is None:
        return choices
    found = {name: one for name, one in choices.items() if matches(name, request.match)}
    if choices and not found:
        names = [conflict.name for conflict in versions.conflicts]
        raise MergeError(f"no conflict matches {request.match!r}; they are: {', '.join(names[:5])}")
    return found


def _merged_mode(stages: Mapping[int, tuple[str, str]]) -> str:
    """The file mode, three-way like all else."""
    modes = {stage: mode for stage, (mode, _) in stages.items()}
    return modes[THEIRS] if modes.get(BASE) == modes[OURS] else modes[OURS]


def at_root(paths: Iterable[str], repository: Repository) -> list[str]:
    """Paths from the current folder as paths from the root of the working tree."""
    prefix = repository.line("rev-parse", "--show-prefix")
    return [_joined(prefix, path) for path in paths]


def _joined(prefix: str, path: str) -> str:
    from posixpath import normpath

    return normpath(prefix + path)
