"""The remotes of a repository, by name."""

from __future__ import annotations

from theta_git.repository import Repository


def names(repository: Repository) -> list[str]:
    """Every remote that has a name."""
    return repository.output("remote").decode(errors="surrogateescape").splitlines()


def fetched_from(repository: Repository, name: str) -> str | None:
    """The URL from which a remote is fetched; None if there is no remote of that name."""
    return next(iter(_urls(repository, name)), None)


def pushed_to(repository: Repository, name: str) -> list[str]:
    """The URLs to which a remote is pushed, which may be others; none if there is no remote of that name."""
    return _urls(repository, "--push", "--all", name)


def default(repository: Repository) -> str | None:
    """The remote of the current branch, else ``origin``, else the only one there is."""
    found = names(repository)
    branch = repository.finished("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode(errors="surrogateescape")
    upstream = repository.config(f"branch.{branch.strip()}.remote") if branch.strip() else None
    if upstream in found:
        return upstream
    if "origin" in found:
        return "origin"
    return found[0] if len(found) == 1 else None


def in_order(repository: Repository) -> list[str]:
    """Every remote, the default one first."""
    first = default(repository)
    return sorted(names(repository), key=lambda name: name != first)


def _urls(repository: Repository, *arguments: str) -> list[str]:
    listed = repository.finished("remote", "get-url", *arguments).stdout
    return listed.decode(errors="surrogateescape").splitlines()
