"""Intake: values that a program made become objects, with all that a manifest needs to know of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace

from blake3 import blake3

from theta_checkpoint.manifest import Recipe
from theta_store import bundle
from theta_store import sketches
from theta_store.bases import Base
from theta_store.encodings import dense
from theta_store.encodings.choice import ENCODERS
from theta_store.encodings.choice import chosen
from theta_store.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Intake:
    """A group whose values are now in the store, or will be with the next bundle."""

    recipe: Recipe
    sketch: bytes
    """its row, see :func:`theta_store.sketches.row`"""
    held: bytes | None = None
    """the encoding of a small group, where it still has to go into a bundle"""

    @property
    def digest(self) -> str:
        """BLAKE3 of the raw bytes."""
        return self.recipe.digest


def taken_in(chunks: Iterable[bytes], dtype: str, objects: ObjectStore, base: Base | None = None) -> Intake:
    """Store a group and its sketch; takes and raises what :func:`stored` does."""
    sketcher = sketches.Sketcher(dtype)
    recipe = stored(_sketched(chunks, sketcher), dtype, objects, base)
    return Intake(recipe, sketches.row(recipe.digest, sketcher.sketch()))


def intake(chunks: Iterable[bytes], length: int, dtype: str, objects: ObjectStore, base: Base | None = None) -> Intake:
    """The same for a group of ``length`` bytes, which is held for a bundle if it is small."""
    sketcher = sketches.Sketcher(dtype)
    recipe, held = encoded(_sketched(chunks, sketcher), length, dtype, objects, base)
    return Intake(recipe, sketches.row(recipe.digest, sketcher.sketch()), held)


def _sketched(chunks: Iterable[bytes], sketcher: sketches.Sketcher) -> Iterator[bytes]:
    for chunk in chunks:
        sketcher.update(chunk)
        yield chunk


def encoded(
    chunks: Iterable[bytes], length: int, dtype: str, objects: ObjectStore, base: Base | None
) -> tuple[Recipe, bytes | None]:
    """The recipe of a group that is now stored, or the recipe without its object and the encoding of a small one."""
    if not 0 < length <= bundle.SMALL:
        return stored(chunks, dtype, objects, base), None
    encoder = Encoder(dtype, objects, base)
    held = b"".join(encoder.encoded(chunks))
    return encoder.recipe(), held


def stored(chunks: Iterable[bytes], dtype: str, objects: ObjectStore, base: Base | None = None) -> Recipe:
    """Store a group given as raw little-endian bytes in storage order, one object per chunk.

    The chunks must be cut as :func:`theta_store.chunks.chunk_length` says, so that equal values become equal
    objects. With a base, the group leans on it where that is worth it. Raises
    :class:`theta_store.objects.StoreNotWritable`, and what reading the base raises.
    """
    encoder = Encoder(dtype, objects, base)
    oids = tuple(map(objects.write, encoder.encoded(chunks)))
    return replace(encoder.recipe(), oids=oids)


class Encoder:
    """Encodes one group, in the encoding that its first chunk speaks for."""

    def __init__(self, dtype: str, objects: ObjectStore, base: Base | None = None) -> None:
        self._dtype = dtype
        self._base = base
        self._encoding: str | None = None if base else dense.NAME
        self._others: Iterator[bytes] = base.chunks(objects) if base else iter(())
        self._hasher = blake3()

    def encoded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The encoding of each chunk; raises what reading the base raises."""
        for chunk in chunks:
            self._hasher.update(chunk)
            other = b"" if self._encoding == dense.NAME else next(self._others, b"")
            self._encoding = self._encoding or chosen(chunk, other, self._dtype)
            yield ENCODERS[self._encoding](chunk, other, self._dtype)

    def recipe(self) -> Recipe:
        """The recipe for all chunks, lacking its objects; raises what reading the base raises."""
        if not self._base or self._encoding in (None, dense.NAME):
            return Recipe(self._hasher.hexdigest(), dense.NAME, ())
        # The base is verified with its last chunk: what leans on damaged values could not be restored from sound ones.
        deque(self._others, maxlen=0)
        return Recipe(self._hasher.hexdigest(), self._encoding or dense.NAME, (), self._base.digest)
