"""Intake: values that a program made become objects, with all that a manifest needs to know of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from types import MappingProxyType

from blake3 import blake3

from theta_checkpoint.manifest import Recipe
from theta_store import bundle
from theta_store import sketches
from theta_store.bases import Base
from theta_store.bases import deepest
from theta_store.bases import leaning
from theta_store.chains import MAX_DEPTH
from theta_store.chunks import MAX_CHUNK
from theta_store.encodings import dense
from theta_store.encodings.choice import Choice
from theta_store.encodings.choice import chosen
from theta_store.encodings.choice import plain
from theta_store.objects import ObjectStore
from theta_store.sketches import Sketch


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


def taken_in(chunks: Iterable[bytes], dtype: str, objects: ObjectStore, bases: Sequence[Base] = ()) -> Intake:
    """Store a group and its sketch; takes and raises what :func:`stored` does."""
    sketcher = sketches.Sketcher(dtype)
    recipe = stored(_sketched(chunks, sketcher), dtype, objects, bases)
    return Intake(recipe, sketches.row(recipe.digest, sketcher.sketch()))


def intake(
    chunks: Iterable[bytes],
    length: int,
    dtype: str,
    objects: ObjectStore,
    bases: Sequence[Base] = (),
    known: Mapping[str, Sketch] = MappingProxyType({}),
) -> Intake:
    """The same for a group of ``length`` bytes, which is held for a bundle if it is small.

    It leans on the best of the bases, by the sketches ``known`` of them. Of several chunks these would tell too late:
    the values of the first do, and where they are no sum of the bases the group leans on the first base.
    """
    sketcher = sketches.Sketcher(dtype)
    pieces: Iterable[bytes] = _sketched(chunks, sketcher)
    if bases and length <= MAX_CHUNK:
        pieces = list(pieces)
        bases = leaning(sketcher.sketch(), bases, known, dtype)
    elif deepest(bases) + len(bases) > MAX_DEPTH:
        bases = [base for base in bases if base.depth < MAX_DEPTH][:1]
    recipe, held = encoded(pieces, length, dtype, objects, bases)
    return Intake(recipe, sketches.row(recipe.digest, sketcher.sketch()), held)


def _sketched(chunks: Iterable[bytes], sketcher: sketches.Sketcher) -> Iterator[bytes]:
    for chunk in chunks:
        sketcher.update(chunk)
        yield chunk


def encoded(
    chunks: Iterable[bytes], length: int, dtype: str, objects: ObjectStore, bases: Sequence[Base] = ()
) -> tuple[Recipe, bytes | None]:
    """The recipe of a group that is now stored, or the recipe without its object and the encoding of a small one."""
    if not 0 < length <= bundle.SMALL:
        return stored(chunks, dtype, objects, bases), None
    encoder = Encoder(dtype, objects, bases)
    held = b"".join(encoder.encoded(chunks))
    return encoder.recipe(), held


def stored(chunks: Iterable[bytes], dtype: str, objects: ObjectStore, bases: Sequence[Base] = ()) -> Recipe:
    """Store a group given as raw little-endian bytes in storage order, one object per chunk.

    The chunks must be cut as :func:`theta_store.chunks.chunk_length` says, so that equal values become equal
    objects. The group leans on the first of the bases, or on those of which it is a sum, where that is worth it.
    Raises :class:`theta_store.objects.StoreNotWritable`, and what reading the bases raises.
    """
    encoder = Encoder(dtype, objects, bases)
    oids = tuple(map(objects.write, encoder.encoded(chunks)))
    return replace(encoder.recipe(), oids=oids)


class Encoder:
    """Encodes one group, as its first chunk speaks for."""

    def __init__(self, dtype: str, objects: ObjectStore, bases: Sequence[Base] = ()) -> None:
        self._dtype = dtype
        self._bases = list(bases)
        self._others = [base.chunks(objects) for base in bases]
        self._choice: Choice | None = None if bases else plain(dtype)
        self._hasher = blake3()

    def encoded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The encoding of each chunk; raises what reading the bases raises."""
        for chunk in chunks:
            self._hasher.update(chunk)
            others = [next(other, b"") for other in self._others]
            if not self._choice:
                self._choice = chosen(chunk, others, self._dtype)
                places = self._choice.leans_on
                self._bases = [self._bases[place] for place in places]
                self._others = [self._others[place] for place in places]
                others = [others[place] for place in places]
            yield self._choice.encoded(chunk, others)

    def recipe(self) -> Recipe:
        """The recipe for all chunks, lacking its objects; raises what reading the bases raises."""
        if not self._choice:
            return Recipe(self._hasher.hexdigest(), dense.NAME, ())
        # A base is verified with its last chunk: what leans on damaged values could not be restored from sound ones.
        for other in self._others:
            deque(other, maxlen=0)
        digests = tuple(base.digest for base in self._bases)
        return Recipe(self._hasher.hexdigest(), self._choice.encoding, (), digests)
