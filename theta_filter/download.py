"""Objects that a checkout needs and that are not here, fetched all at once before the first file is written."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import object_ids
from theta_filter.clone import Clone


@dataclass
class Downloads:
    """The downloads of one git command: what failed once is not tried again."""

    clone: Clone
    failed: bool = field(default=False, init=False)

    def fetch(self, contents: Iterable[bytes]) -> None:
        """Fetch what these blobs name and the store lacks; a failure is told once and stops nothing."""
        has = self.clone.store.objects.has
        named = dict.fromkeys(oid for text in contents if is_manifest(text) for oid in object_ids(text))
        lacking = [oid for oid in named if not has(oid)]
        if not lacking or self.failed:
            return
        try:
            why = self._failure(lacking)
        except (Failure, OSError) as error:
            why = str(error)
        if why:
            self.failed = True
            print(f"theta: {len(lacking)} objects are not here: {why}", file=sys.stderr)
            print("theta: manifests are left in place of files; later, type: git theta pull", file=sys.stderr)

    def _failure(self, lacking: list[str]) -> str | None:
        from theta_store.remotes.chosen import default_remote
        from theta_store.remotes.meter import Meter

        remote = default_remote(self.clone.repository, self.clone.store.objects)
        meter = Meter("fetching", sys.stderr)
        failures = remote.fetch(lacking, meter)
        meter.close()
        if not failures:
            return None
        oid, reason = next(iter(failures.items()))
        return f"{len(failures)} of them did not come from {remote.title} ({oid[:12]}: {reason})"
