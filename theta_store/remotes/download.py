"""Objects that a git command turns out to need: fetched at once from where they come by default."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_git.repository import Repository
from theta_store.objects import ObjectStore
from theta_store.remotes import Progress
from theta_store.remotes import reasons


def downloaded(
    oids: Iterable[str], repository: Repository, objects: ObjectStore, progress: Progress | None = None
) -> str | None:
    """Fetch those of these objects that are not here; why not all of them came, None if they did.

    What comes is shown on stderr, if ``progress`` is not told of it.
    """
    lacking = [oid for oid in dict.fromkeys(oids) if not objects.has(oid)]
    if not lacking:
        return None
    from theta_store.remotes.meter import Meter
    from theta_store.remotes.sources import brought

    meter = Meter("fetching", sys.stderr)
    try:
        failures = brought(repository, objects, lacking, None, progress or meter)
    except (Failure, OSError) as error:
        return f"{counted(len(lacking), 'object')} did not come: {error}"
    finally:
        meter.close()
    if not failures:
        return None
    return f"{len(failures)} of {counted(len(lacking), 'object')} did not come: {'; '.join(reasons(failures))}"
