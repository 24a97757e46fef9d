"""Values that a merge reads and that are not here: which objects they are. Pure."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.manifest import Tensor
from theta_merge.outcome import Outcome
from theta_store.chains import needed

Fetch = Callable[[Sequence[str]], None]
"""brings objects here, as far as it can"""


def objects_to_read(wanted: Outcome) -> list[str]:
    """The objects of every version of every group that is computed, and of the skeletons."""
    return list(dict.fromkeys(_objects(wanted)))


def _objects(wanted: Outcome) -> Iterator[str]:
    versions = wanted.versions
    for version, manifest in enumerate((*versions.sides, versions.base)):
        if manifest is None:
            continue
        digests = [manifest.skeleton] if manifest.skeleton in manifest.recipes else []
        for group in wanted.computed:
            conflict = group.conflict
            is_base = version == len(versions.sides)
            state = conflict.base if is_base else conflict.sides[version]
            unread = is_base and group.choice.strategy.ignores_base(group.choice.options)
            if isinstance(state, Tensor) and not unread:
                digests.append(state.digest)
        for recipe in needed(manifest.recipes, digests).values():
            yield from recipe.oids
