"""Which objects the manifests among some blobs name."""

from __future__ import annotations

from collections.abc import Mapping

from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import object_ids
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning


def needed_objects(repository: Repository, blobs: Mapping[str, str]) -> dict[str, str]:
    """Object id to the path of a manifest that names it; ``blobs`` are paths by blob id."""
    needed: dict[str, str] = {}
    for blob, text in blobs_beginning(repository, blobs, HEAD):
        needed.update(dict.fromkeys(object_ids(text), blobs[blob]))
    return needed
