"""Dry run: what a merge of branches would do to their checkpoints, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from theta_checkpoint.manifest import is_manifest
from theta_git.repository import Repository
from theta_merge.outcome import Outcome
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import chosen
from theta_merge.wishes import preferred
from theta_merge.wishes import wish
from theta_store.store import Store


def dry_run(branches: Sequence[str], environment: Mapping[str, str], repository: Repository) -> dict[str, Outcome]:
    """The outcome for each checkpoint that all sides have and that differs between them, by path."""
    sides = ["HEAD", *branches]
    base = repository.line("merge-base", "--octopus", *sides)
    store = Store.at(repository.theta_dir)
    found: dict[str, Outcome] = {}
    for path in _differing(base, sides, repository):
        blobs = [repository.blob(f"{commit}:{path}") for commit in sides]
        if not all(blobs) or not any(blob and is_manifest(blob) for blob in blobs):
            continue
        manifests = [manifest for blob in blobs if (manifest := manifest_of(blob or b"", store))]
        before = manifest_of(repository.blob(f"{base}:{path}") or b"", store)
        versions = Versions(before, tuple(manifests), skeletons_in(store))
        asked = wish(path, environment, repository)
        found[path] = outcome(versions, chosen(asked, path, versions), preferred(asked, versions))
    return found


def _differing(base: str, sides: Sequence[str], repository: Repository) -> list[str]:
    """The paths that more than one side changed since base."""
    seen: list[str] = []
    for side in sides:
        listed = repository.output("diff-tree", "-r", "-z", "--name-only", base, side)
        seen += listed.decode(errors="surrogateescape").split("\0")[:-1]
    return sorted(path for path in set(seen) if seen.count(path) > 1)
