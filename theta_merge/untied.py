"""A checkpoint in which tied names can be read as tensors of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property

from theta_checkpoint.layout import Source
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_merge.decide import own_tensor
from theta_store.checkpoint import Checkpoint


@dataclass(frozen=True)
class Untied:
    """A checkpoint seen so."""

    checkpoint: Checkpoint

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, with a group for each tie to the whole of another group."""
        manifest = self.checkpoint.manifest
        own = {name: own_tensor(tied, manifest) for name, tied in manifest.aliases.items()}
        extra = {name: tensor for name, tensor in own.items() if isinstance(tensor, Tensor)}
        return replace(manifest, groups={**manifest.groups, **extra})

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`theta_store.checkpoint.Checkpoint.chunks`."""
        return self.checkpoint.chunks(self._owner(name))

    def in_place(self, name: str) -> Source | None:
        """See :meth:`theta_store.checkpoint.Checkpoint.in_place`."""
        return self.checkpoint.in_place(self._owner(name))

    def _owner(self, name: str) -> str:
        tied = self.checkpoint.manifest.aliases.get(name)
        return tied.owner if tied else name
