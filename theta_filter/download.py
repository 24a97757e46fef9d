"""Objects that a checkout needs and that are not here, fetched all at once before the first file is written."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import object_ids
from theta_filter.clone import Clone
from theta_store.remotes.download import downloaded


@dataclass
class Downloads:
    """The downloads of one git command: what failed once is not tried again."""

    clone: Clone
    failed: bool = field(default=False, init=False)

    def fetch(self, contents: Iterable[bytes]) -> None:
        """Fetch what these blobs name and the store lacks; a failure is told once and stops nothing."""
        if self.failed:
            return
        named = (oid for text in contents if is_manifest(text) for oid in object_ids(text))
        if why := downloaded(named, self.clone.repository, self.clone.store.objects):
            self.failed = True
            print(f"theta: {why}", file=sys.stderr)
            print("theta: manifests are left in place of files; later, type: git theta pull", file=sys.stderr)
