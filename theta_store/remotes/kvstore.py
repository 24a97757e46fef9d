"""A folder of an object storage service or a file system, reached by tensorstore's KvStore.

An object is the key ``xx/SHA256`` below the URL, as in the store itself, so ``file://`` may even be another clone's
object folder. tensorstore finds the credentials where each service's own tools look for them, retries, and
writes each key whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from theta_checkpoint.failure import Failure
from theta_store.objects import MAX_OBJECT
from theta_store.objects import CorruptObject
from theta_store.objects import ObjectStore
from theta_store.objects import hash_of
from theta_store.objects import size_of
from theta_store.remotes import ABSENT
from theta_store.remotes import NOT_IT
from theta_store.remotes import OURS
from theta_store.remotes import Failures
from theta_store.remotes import Progress
from theta_store.remotes import RemoteFailed

SCHEMES = ("s3", "gs", "file")
_AT_ONCE = 32
"""requests on the way"""
_BYTES_AT_ONCE = 512 << 20
"""of objects on the way; a single one may have more"""
_QUESTIONS_AT_ONCE = 256
_PATIENCE: dict[str, object] = {"max_retries": 5, "initial_delay": "500ms", "max_delay": "8s"}
"""tensorstore's own would let a push wait a quarter of an hour for a server that is out of order"""


class BadUrl(Failure):
    """Not a URL at which objects can be kept."""


@dataclass(frozen=True)
class KvStoreRemote:
    """See :class:`theta_store.remotes.Remote`."""

    objects: ObjectStore
    name: str
    url: str
    endpoint: str | None = None
    """of a service that speaks S3 and is not Amazon's"""

    @property
    def title(self) -> str:
        """See :class:`theta_store.remotes.Remote`."""
        return f"{self.name} ({self.url})"

    def missing(self, oids: Collection[str]) -> set[str]:
        """See :class:`theta_store.remotes.Remote`."""
        lacking = set()
        for oid, result in _answered(self._asked, oids, _QUESTIONS_AT_ONCE):
            if isinstance(result, Exception):
                raise RemoteFailed(f"{self.title}: {_first_line(result)}") from result
            if result.state == "missing":
                lacking.add(oid)
        return lacking

    def read_back(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        if self._is_ours:
            return dict.fromkeys(oids, OURS)
        return self._brought(oids, progress, lambda data: None)

    def send(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        lacking = self.missing(oids)
        failed: Failures = {}
        answers = _answered(self._written, sorted(lacking), _AT_ONCE)
        for done, (oid, result) in enumerate(answers, start=len(oids) - len(lacking) + 1):
            if isinstance(result, Exception):
                failed[oid] = _first_line(result)
            progress(done, len(oids))
        return failed

    def fetch(self, oids: Collection[str], progress: Progress) -> Failures:
        """See :class:`theta_store.remotes.Remote`."""
        return self._brought(oids, progress, self.objects.write)

    def _brought(self, oids: Collection[str], progress: Progress, take: Callable[[bytes], object]) -> Failures:
        """Bring objects, and let those that are what they should be be taken; why the others are not."""
        failed: Failures = {}
        for done, (oid, result) in enumerate(_answered(self._read, oids, _AT_ONCE), start=1):
            if why := _refusal(oid, result):
                failed[oid] = why
            else:
                take(result.value)
            progress(done, len(oids))
        return failed

    @cached_property
    def _store(self) -> Any:
        import tensorstore

        check_url(self.url)
        try:
            context = {"s3_request_retries": _PATIENCE, "gcs_request_retries": _PATIENCE}
            if os.environ.get("AWS_ACCESS_KEY_ID"):
                # what tensorstore would take anyway, after complaining at length of every file that is not there
                context["aws_credentials"] = {"type": "environment"}
            return tensorstore.KvStore.open(self._spec, context=tensorstore.Context(context)).result()
        except ValueError as error:
            raise RemoteFailed(f"{self.title}: {_first_line(error)}") from error

    @property
    def _spec(self) -> str | dict[str, str]:
        folder = f"{self.url.rstrip('/')}/"
        if not self.endpoint:
            return folder
        parts = urlsplit(folder)
        return {"driver": "s3", "bucket": parts.netloc, "path": parts.path[1:], "endpoint": self.endpoint}

    @property
    def _is_ours(self) -> bool:
        parts = urlsplit(self.url)
        return parts.scheme == "file" and os.path.realpath(unquote(parts.path)) == os.path.realpath(self.objects.folder)

    def _asked(self, oid: str) -> Any:
        return self._store.read(_key(oid), byte_range=slice(0, 0))

    def _read(self, oid: str) -> Any:
        """No more than the object's length is asked for, however long is what lies there."""
        if (size_of(oid) or 0) > MAX_OBJECT:
            raise CorruptObject("it says to be larger than any object that theta makes")
        return self._store.read(_key(oid), byte_range=slice(0, size_of(oid)))

    def _written(self, oid: str) -> Any:
        return self._store.write(_key(oid), self.objects.sound(oid))


def check_url(url: str) -> None:
    """Raise :class:`BadUrl` unless objects can be kept there."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.scheme == "file") or parts.query:
        known = ", ".join(f"{scheme}://…" for scheme in SCHEMES)
        raise BadUrl(f"{url!r} is not a place for objects; those are {known}")


def _refusal(oid: str, result: Any) -> str | None:
    """Why a result is not the object."""
    if isinstance(result, Exception):
        return _first_line(result)
    if result.state == "missing":
        return ABSENT
    return None if hashlib.sha256(result.value).hexdigest() == hash_of(oid) else NOT_IT


def _answered(request: Callable[[str], Any], oids: Iterable[str], at_once: int) -> Iterator[tuple[str, Any]]:
    """Each object with what the request for it came to, a result or the exception; so many on the way at once."""
    pending: deque[tuple[str, Any]] = deque()
    size = 0
    for oid in oids:
        size += size_of(oid) or 0
        while pending and (len(pending) >= at_once or size > _BYTES_AT_ONCE):
            size -= size_of(pending[0][0]) or 0
            yield _result(*pending.popleft())
        pending.append((oid, _tried(request, oid)))
    while pending:
        yield _result(*pending.popleft())


def _tried(request: Callable[[str], Any], oid: str) -> Any:
    try:
        return request(oid)
    except (Failure, OSError) as error:
        if isinstance(error, RemoteFailed | BadUrl):
            raise
        return error


def _result(oid: str, future: Any) -> tuple[str, Any]:
    if isinstance(future, Exception):
        return oid, future
    try:
        return oid, future.result()
    except (ValueError, OSError, RuntimeError) as error:
        return oid, error


def _key(oid: str) -> str:
    return f"{oid[:2]}/{hash_of(oid)}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
