"""The git-lfs server of a git remote: any forge, and any bare repository that can be reached as a folder.

The git-lfs program does the transfers: it knows the endpoint, the credentials, batches, retries and resumes.
Up, ``git lfs push --object-id`` takes ids on standard input; down, ``git lfs fetch`` takes a commit, so pointers
to what is wanted are put into one. Either way it is one process for any number of objects, and it works in a scratch
repository: what lies in git-lfs's own store, or in one from which git borrows, is neither used nor changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import IO

from theta_git.remotes import names
from theta_git.repository import Repository
from theta_git.scratch import Scratch
from theta_git.scratch import scratch_repository
from theta_store import links
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.objects import hash_of
from theta_store.objects import is_sound
from theta_store.objects import size_of
from theta_store.remotes import ABSENT
from theta_store.remotes import NOT_IT
from theta_store.remotes import OURS
from theta_store.remotes import Failures
from theta_store.remotes import Progress
from theta_store.remotes import RemoteFailed

_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
_LFSCONFIG = ".lfsconfig"
_AMOUNT = re.compile(rb"\((\d+)/(\d+)\)(?:, ([0-9.]+ \w+))?")
_PATIENCE = 180
"""seconds without a byte after which git-lfs is stopped"""
_WORDS = 1 << 16
"""bytes of git-lfs's complaints that are read"""
_LINES = 3
"""of them that are told"""
_STORE = Path("lfs", "objects")
"""the store of git-lfs in a git folder"""
_AT_ONCE = 16
"""objects that are hashed and synced to disk at a time, more of which waits than computes"""
_ALL_OF_IT = ("-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=", "-c", "lfs.fetchrecentalways=false")
"""settings of the user's that would make git-lfs leave some of our objects out"""

_Take = Callable[[Path, str], str | None]
"""does something with the file that arrived for an object; why not, if it is not the object"""


@dataclass(frozen=True)
class LfsRemote:
    """See :class:`theta_store.remotes.Remote`."""

    repository: Repository
    objects: ObjectStore
    name: str
    """a git remote, or its URL"""

    @property
    def title(self) -> str:
        """See :class:`theta_store.remotes.Remote`."""
        return f"{self.name} (git-lfs)"

    def missing(self, oids: Collection[str]) -> set[str]:
        """See :class:`theta_store.remotes.Remote`."""
        if self._folder is None:
            from theta_store.remotes.lfs_batch import absent

            return absent(self._sized(oids), self._endpoint, self._ssh, self.repository)
        return {oid for oid in oids if not self._is_in_folder(oid)}

    def read_back(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        if self._folder is None:
            return self._brought(oids, progress, _unsound_arrival)
        if self._near and os.path.realpath(self._near.folder) == os.path.realpath(self.objects.folder):
            return dict.fromkeys(oids, OURS)
        failed: Failures = {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done, (oid, why) in enumerate(zip(oids, pool.map(self._fault_in_folder, oids), strict=True), start=1):
                failed |= {oid: why} if why else {}
                progress(done, len(oids))
        return failed

    def send(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        here = [oid for oid in oids if self.objects.has(oid)]
        failed = dict.fromkeys(set(oids).difference(here), "it is not here") | self._unsound(here)
        here = [oid for oid in here if oid not in failed]
        if here:
            with self._scratch({}) as scratch:
                for oid in here:
                    links.join(self.objects.path(oid), scratch.folder / _STORE / hash_of(oid))
                command = ["lfs", "push", "--object-id", self._reached_as, "--stdin"]
                complaint = self._transferred(scratch, command, map(hash_of, here), progress)
            if complaint is not None:
                failed |= self._lost(here, complaint)
        return failed

    def _unsound(self, oids: Collection[str]) -> Failures:
        """What is damaged here, and would get to a folder as it is; a server looks for itself."""
        failed: Failures = {}
        for oid in oids if self._folder else ():
            if not self._is_in_folder(oid):
                try:
                    self.objects.sound(oid)
                except CorruptObject as error:
                    failed[oid] = str(error)
        return failed

    def _lost(self, oids: Collection[str], complaint: str) -> Failures:
        """Those of the objects that did not get there, of which there is at least one, and why."""
        try:
            return dict.fromkeys(self.missing(oids) or oids, complaint)
        except RemoteFailed as error:
            return dict.fromkeys(oids, f"{complaint}; {error}")

    def fetch(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        near = {oid for oid in oids if self._adopted_from_near(oid)}
        if len(near) < len(oids):
            return self._brought(set(oids) - near, progress, self._refusal)
        progress(len(near), len(oids))
        return {}

    def _adopted_from_near(self, oid: str) -> bool:
        """Whether the remote is a working clone on this machine whose own store had the object."""
        if self._near is None or not self._near.path(oid).exists():
            return False
        try:
            self.objects.adopt(self._near.path(oid), oid)
        except CorruptObject:
            return False
        return True

    def _brought(self, oids: Collection[str], progress: Progress, take: _Take) -> Failures:
        """Let git-lfs bring objects, and take each while others are on their way; why some were not taken."""
        sizes = self._sized(oids)
        files = {hash_of(oid): _POINTER.format(oid=hash_of(oid), size=size).encode() for oid, size in sizes.items()}
        if not files:
            return dict.fromkeys(oids, ABSENT)
        with self._scratch(files) as scratch, ThreadPoolExecutor(_AT_ONCE) as pool:
            arrivals = _Arrivals(scratch.folder / _STORE, {hash_of(oid): oid for oid in sizes}, take, pool)

            def told(done: int, of: int) -> None:
                arrivals.look()
                progress(done, of)

            command = [*_ALL_OF_IT, "lfs", "fetch", self._reached_as, "HEAD"]
            complaint = self._transferred(scratch, command, (), told)
            arrivals.look()
            refused = arrivals.refused()
        return self._not_arrived(oids, set(oids).difference(arrivals.taken), complaint) | refused

    def _not_arrived(self, asked: Collection[str], oids: Collection[str], complaint: str | None) -> Failures:
        """Why some of what was asked for did not come: git-lfs tells little of what the server said."""
        if not oids or complaint is None:
            return dict.fromkeys(oids, ABSENT)
        try:
            absent_ones = self.missing(asked)  # not of these alone: giftless refuses who asks only for what it has not
        except RemoteFailed as error:
            return dict.fromkeys(oids, f"{complaint}; {error}")
        return {oid: ABSENT if oid in absent_ones else complaint for oid in oids}

    def _refusal(self, place: Path, oid: str) -> str | None:
        """Keep what git-lfs brought; why not, if it is not the object."""
        try:
            self.objects.adopt(place, oid)
        except CorruptObject as error:
            return str(error)
        place.unlink()
        return None

    def _sized(self, oids: Iterable[str]) -> dict[str, int]:
        """The lengths in bytes of these objects, without those of which no one says it."""
        found = ((oid, size_of(oid) or self._seen_size(oid)) for oid in oids)
        return {oid: size for oid, size in found if size is not None}

    def _seen_size(self, oid: str) -> int | None:
        """The length of an object whose id does not say it, as seen here or in the folder of the remote."""
        places = [self.objects.path(oid), *([self._place_in_folder(oid)] if self._folder else [])]
        return next((place.stat().st_size for place in places if place.is_file()), None)

    def _is_in_folder(self, oid: str) -> bool:
        return self._place_in_folder(oid).is_file() or (self._near is not None and self._near.has(oid))

    def _fault_in_folder(self, oid: str) -> str | None:
        """Why an object is not as it should be in the folder of the remote."""
        places = [self._place_in_folder(oid), *([self._near.own_path(oid)] if self._near else [])]
        there = [place for place in places if place.is_file()]
        if any(map(is_sound, there)):
            return None
        return NOT_IT if there else ABSENT

    def _place_in_folder(self, oid: str) -> Path:
        assert self._folder
        return place_in(self._folder, oid)

    @cached_property
    def _near(self) -> ObjectStore | None:
        """The store of a remote that is a clone on this machine."""
        return ObjectStore(self._folder / "theta" / "objects") if self._folder else None

    @cached_property
    def _folder(self) -> Path | None:
        """The git folder of a remote that is one on this machine."""
        if not self._endpoint.startswith("file://"):
            return None
        path = Path(self._endpoint.removeprefix("file://"))
        inside = path / ".git"
        return inside if inside.is_dir() else path

    @property
    def _reached_as(self) -> str:
        """The remote as git-lfs understands it: unlike git, it does not take a path for one."""
        return self.name if self._is_name or not Path(self.name).is_dir() else Path(self.name).absolute().as_uri()

    @cached_property
    def _is_name(self) -> bool:
        return self.name in names(self.repository)

    @cached_property
    def _endpoint(self) -> str:
        """The URL to which git-lfs goes for this remote."""
        if not self._is_name:
            return self.repository.config("lfs.url") or _endpoint_of(self._reached_as)
        found = dict(re.findall(r"^Endpoint(?: \((.+)\))?=(\S+)", self._facts, re.MULTILINE))
        return str(found.get(self.name) or found.get("", ""))

    @cached_property
    def _ssh(self) -> str | None:
        """``USER@HOST:PATH`` where git-lfs asks for its endpoint by ssh."""
        after = self._facts.partition(f"={self._endpoint} ")[2].partition("\n")[2]
        return after.partition("\n")[0].strip().removeprefix("SSH=") if after.startswith("  SSH=") else None

    @cached_property
    def _facts(self) -> str:
        """What ``git lfs env`` tells."""
        done = self.repository.finished("lfs", "env")
        if done.returncode:
            raise RemoteFailed(
                "the program git-lfs is not installed, and objects travel by it; install it from "
                "https://git-lfs.com, or name another place for them: git theta remote add NAME URL"
            )
        return done.stdout.decode(errors="surrogateescape")

    @contextlib.contextmanager
    def _scratch(self, files: Mapping[str, bytes]) -> Iterator[Scratch]:
        """A repository with these files and a store of git-lfs of its own, for which the remote is the same."""
        given = self._lfsconfig
        files = {**files, **({_LFSCONFIG: given} if given else {})}
        with scratch_repository(self.repository, files, self.objects.folder.parent / "tmp") as scratch:
            _make_flat_store(scratch.folder / _STORE)
            yield scratch

    @property
    def _lfsconfig(self) -> bytes | None:
        """What the repository itself tells git-lfs of its server, from where git-lfs takes it."""
        found = re.search(r"^LocalWorkingDir=(.+)$", self._facts, re.MULTILINE)
        if found and (file := Path(found[1], _LFSCONFIG)).is_file():
            return file.read_bytes()
        return self.repository.blob(f":{_LFSCONFIG}") or self.repository.blob(f"HEAD:{_LFSCONFIG}")

    def _transferred(
        self, scratch: Scratch, command: Sequence[str], lines: Iterable[str], progress: Progress
    ) -> str | None:
        """Run git-lfs, tell of its progress; None if it succeeded, else why it did not."""
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write("".join(f"{line}\n" for line in lines).encode())
            stdin.seek(0)
            with subprocess.Popen(
                ["git", *command],
                cwd=self.repository.folder,
                env={**scratch.environment, "GIT_LFS_FORCE_PROGRESS": "1", "LC_ALL": "C"},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
            ) as process:
                assert process.stdout
                if not _followed(process.stdout, progress):
                    process.terminate()
            stderr.seek(0)
            complaint = _complaint(stderr.read(_WORDS).decode(errors="replace"))
        if process.returncode == -signal.SIGTERM:
            return f"git-lfs got nowhere for {_PATIENCE} seconds and was stopped"
        return (complaint or "git-lfs failed") if process.returncode else None


@dataclass
class _Arrivals:
    """Objects that git-lfs brings, each taken while others are on their way."""

    folder: Path
    """where git-lfs puts them, under the names of their SHA-256"""
    awaited: dict[str, str]
    """those that have not arrived yet, by their SHA-256"""
    take: _Take
    pool: ThreadPoolExecutor
    taken: dict[str, Future[str | None]] = field(default_factory=dict)

    def look(self) -> None:
        """Take what has arrived since the last look: git-lfs gives a file its name when it is whole."""
        for name in filter(self.awaited.__contains__, os.listdir(self.folder)):
            oid = self.awaited.pop(name)
            self.taken[oid] = self.pool.submit(self.take, self.folder / name, oid)

    def refused(self) -> Failures:
        """Why some of what arrived was not taken."""
        answers = ((oid, future.result()) for oid, future in self.taken.items())
        return {oid: why for oid, why in answers if why}


def _unsound_arrival(place: Path, oid: str) -> str | None:
    """Look at what git-lfs brought and throw it away; why it is not the object."""
    sound = is_sound(place)
    place.unlink()
    return None if sound else NOT_IT


def place_in(folder: Path, oid: str) -> Path:
    """Where git-lfs keeps an object in a git folder."""
    return folder / _STORE / oid[:2] / oid[2:4] / hash_of(oid)


def _make_flat_store(folder: Path) -> None:
    """A store of git-lfs in which ``ab/cd/NAME`` is ``NAME``: thousands of folders take longer than their objects."""
    folder.mkdir(parents=True)
    for number in range(256):
        (folder / f"{number:02x}").symlink_to(".")


def _endpoint_of(url: str) -> str:
    """Where git-lfs looks for the server of a URL that nothing is configured for."""
    return f"{url.rstrip('/').removesuffix('.git')}.git/info/lfs" if url.startswith("http") else url


def _complaint(text: str) -> str:
    """What git-lfs says in vain, in a line: it may say the same of every object."""
    lines = list(dict.fromkeys(text.strip().splitlines()))
    told = [line for line in lines if not line.startswith("error: failed to fetch some objects")] or lines
    return "; ".join([*told[:_LINES], *([f"and {len(told) - _LINES} lines more"] if told[_LINES:] else [])])


def _followed(stream: IO[bytes], progress: Progress) -> bool:
    """Read git-lfs's meter, which says ``(3/7), 1.2 MB`` again and again; whether it came to its end.

    git-lfs asks a server for ever that hands out addresses and then refuses to serve them.
    """
    said, since = b"", time.monotonic()
    while time.monotonic() - since < _PATIENCE:
        if not select.select([stream], [], [], _PATIENCE)[0]:
            return False
        if not (piece := os.read(stream.fileno(), 1 << 16)):
            return True
        if amounts := _AMOUNT.findall(piece):
            done, of, size = amounts[-1]
            progress(int(done), int(of))
            said, since = (said, since) if said == (now := done + size) else (now, time.monotonic())
    return False
