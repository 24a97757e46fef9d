"""Sources: what git hands to a merge as manifests, whatever was committed."""

from __future__ import annotations

from blake3 import blake3

from theta_checkpoint.layout import BytesSource
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_merge.frame import Skeletons
from theta_store.capture import captured
from theta_store.checkpoint import StoredCheckpoint
from theta_store.identify import identified
from theta_store.store import Store

ABSENT = Manifest("absent", {}, {}, {}, blake3(b"").hexdigest(), {})
"""stands for a side that does not have the file"""


def skeletons_in(store: Store) -> Skeletons:
    """Where the skeletons of a store's checkpoints are."""
    return lambda manifest: StoredCheckpoint(manifest, store.objects).skeleton()


def manifest_of(blob: bytes, store: Store) -> Manifest | None:
    """The manifest in a blob; None for an empty one, which is how git says that a version does not exist.

    A checkpoint that was committed before it was tracked is captured into the store. Raises
    :class:`theta_checkpoint.manifest.BadManifest` for a damaged manifest.
    """
    if not blob:
        return None
    if is_manifest(blob):
        return parse(blob)
    source = BytesSource(blob)
    return captured(source, identified(source), store)
