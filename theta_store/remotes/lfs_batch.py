"""Asking a git-lfs server which objects it has, which the git-lfs program has no command for.

One request of the batch API per hundred objects; nothing is transferred.
Source: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from theta_git.repository import Repository
from theta_store.objects import hash_of
from theta_store.remotes import RemoteFailed

_MEDIA_TYPE = "application/vnd.git-lfs+json"
_AT_ONCE = 100
_TIMEOUT = 60
"""seconds"""
_MAX_ANSWER = 4 << 20
"""bytes; some hundred times what an honest server needs to tell of :data:`_AT_ONCE` objects"""


def absent(sizes: Mapping[str, int], endpoint: str, ssh: str | None, repository: Repository) -> set[str]:
    """Those objects, given with their lengths, that the server says it does not have.

    Credentials come from where git has them. Raises :class:`RemoteFailed`.
    """
    headers: Mapping[str, str] = {}
    if ssh:
        endpoint, headers = _introduced(ssh)
    lacking = set()
    for oids in _hundreds(list(sizes)):
        wanted = {hash_of(oid): oid for oid in oids}
        objects = [{"oid": name, "size": sizes[oid]} for name, oid in wanted.items()]
        try:
            there, headers = _there(f"{endpoint.rstrip('/')}/objects/batch", objects, headers, repository)
        except urllib.error.HTTPError as error:
            with error:
                raise RemoteFailed(f"{endpoint}: {error}{_message(error)}") from error
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise RemoteFailed(f"{endpoint}: {error}") from error
        lacking |= {oid for name, oid in wanted.items() if name not in there}
    return lacking


def _there(
    url: str, objects: list[dict[str, object]], headers: Mapping[str, str], repository: Repository
) -> tuple[set[str], Mapping[str, str]]:
    """The names of those objects that a server has, and the headers with which it answered."""
    try:
        answer, headers = _posted(url, _question("download", objects), headers, repository)
        return _named(answer["objects"], "error"), headers
    except urllib.error.HTTPError as error:
        # there is nothing at this address, or, as giftless has it, none of the objects: what could be sent there tells
        if error.code != 404 or (told := _not_wanted(url, objects, headers, repository)) is None:
            raise
        error.close()
        return told


def _not_wanted(
    url: str, objects: list[dict[str, object]], headers: Mapping[str, str], repository: Repository
) -> tuple[set[str], Mapping[str, str]] | None:
    """The same, of who offers to send the objects; None where that cannot be told."""
    try:
        answer, headers = _posted(url, _question("upload", objects), headers, repository)
        return _named(answer["objects"], "actions", "error"), headers
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return None


def _question(operation: str, objects: list[dict[str, object]]) -> bytes:
    return json.dumps({"operation": operation, "transfers": ["basic"], "objects": objects}).encode()


def _named(objects: Any, *without: str) -> set[str]:
    """The names of the objects of an answer that have none of these fields; raises TypeError or LookupError."""
    if not isinstance(objects, list):
        raise TypeError("its list of objects is none")
    return {found["oid"] for found in objects if not any(key in found and found[key] for key in without)}


def _posted(url: str, body: bytes, headers: Mapping[str, str], repository: Repository) -> tuple[Any, Mapping[str, str]]:
    """The answer, and the headers with which it came; asks git for credentials where they are called for."""
    try:
        return _answer(url, body, headers), headers
    except urllib.error.HTTPError as error:
        if error.code != 401 or "Authorization" in headers:
            raise
        error.close()
    headers = {**headers, "Authorization": _credentials(url, repository)}
    return _answer(url, body, headers), headers


def _answer(url: str, body: bytes, headers: Mapping[str, str]) -> Any:
    usual = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
    with _OPENER.open(urllib.request.Request(url, body, {**usual, **headers}), timeout=_TIMEOUT) as response:
        return json.loads(response.read(_MAX_ANSWER))


def _message(error: urllib.error.HTTPError) -> str:
    """What a server says beside its refusal, in brackets."""
    try:
        facts = json.loads(error.read(_MAX_ANSWER))
        return f" ({str(facts['message'])[:200]})"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: credentials are for the server that was asked."""

    def redirect_request(self, *_: Any) -> None:
        """No other request."""


_OPENER = urllib.request.build_opener(_Unmoved)


def _credentials(url: str, repository: Repository) -> str:
    filled = repository.finished("credential", "fill", stdin=f"url={url}\n\n".encode()).stdout.decode()
    known = dict(line.split("=", 1) for line in filled.splitlines() if "=" in line)
    pair = f"{known.get('username', '')}:{known.get('password', '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _introduced(ssh: str) -> tuple[str, Mapping[str, str]]:
    """The endpoint and headers that the server gives to who comes by ssh."""
    host, _, path = ssh.removeprefix("ssh://").partition(":" if not ssh.startswith("ssh://") else "/")
    program = shlex.split(os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH") or "ssh")
    command = [*program, "--", host, f"git-lfs-authenticate {shlex.quote(path)} download"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RemoteFailed(f"{ssh}: {error}") from error
    try:
        answer = json.loads(done.stdout)
        return str(answer["href"]), dict(answer.get("header", {}))
    except (ValueError, LookupError, TypeError) as error:
        raise RemoteFailed(f"{ssh}: {done.stderr.decode(errors='replace').strip() or error}") from error


def _hundreds(oids: list[str]) -> list[list[str]]:
    return [oids[start : start + _AT_ONCE] for start in range(0, len(oids), _AT_ONCE)]
