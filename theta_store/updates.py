"""Updates: parameter-efficient changes of a stored checkpoint, of which only the factors are stored."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from blake3 import blake3

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import element_count
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import described
from theta_store import chains
from theta_store import sketches
from theta_store.bases import Base
from theta_store.chains import MAX_DEPTH
from theta_store.chains import Recipes
from theta_store.chains import chain
from theta_store.chains import needed
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.encodings import ia3
from theta_store.encodings import low_rank
from theta_store.encodings.factors import FLOATS
from theta_store.encodings.factors import Factor
from theta_store.encodings.factors import rounded
from theta_store.encodings.factors import widened
from theta_store.intake import stored
from theta_store.sketches import Sketch
from theta_store.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BadUpdate(Failure):
    """An update does not fit the checkpoint that it is for."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """Add ``scale * left @ right``; a group of more than two axes counts as a matrix of its first axis' rows."""

    left: Factor
    """(rows of the group, rank)"""
    right: Factor
    """(rank, elements of a row)"""
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """Multiply by a vector: one row or one for each row, one column or one for each element of a row."""

    vector: Factor


@dataclass(frozen=True, slots=True)
class Added:
    """Add values at some elements."""

    places: NDArray[Any]
    """positions in the group in C order, no two the same, as int64"""
    values: NDArray[Any]
    """float64"""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Take other values of the same dtype and shape."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Rows:
    """Take other values in some rows, rounded to the dtype."""

    places: NDArray[Any]
    """of the rows, no two the same, as int64"""
    values: NDArray[Any]
    """(number of places, elements of a row), float64"""


Update = LowRank | Scaled | Added | Replaced | Rows


def updated(manifest: Manifest, updates: Mapping[str, Update], store: Store) -> Manifest:
    """The manifest of the checkpoint with these groups updated; what is new of them is in the store.

    Memory: a few chunks for each worker. Raises :class:`BadUpdate`, and what reading the groups raises.
    """
    for name, update in updates.items():
        _check(manifest, name, update)
    before = manifest.groups
    with ThreadPoolExecutor(WORKERS) as pool:
        made = list(pool.map(lambda item: changed(before[item[0]], manifest.recipes, item[1], store), updates.items()))
    groups = dict(manifest.groups)
    for name, (recipe, _) in zip(updates, made, strict=True):
        groups[name] = replace(groups[name], digest=recipe.digest)
    digests = {*(tensor.digest for tensor in groups.values()), manifest.skeleton}
    # a digest known before keeps the recipe that other groups may lean on
    known = {recipe.digest: recipe for recipe, _ in made} | dict(manifest.recipes)
    rows = _rows(manifest, {recipe.digest: sketch for recipe, sketch in made}, store)
    kept = b"".join(row for digest, row in sorted(rows.items()) if digest in digests)
    store.registry.remember(sketches=[(recipe.digest, rows[recipe.digest]) for recipe, _ in made])
    return replace(manifest, groups=groups, recipes=needed(known, digests), sketches=store.objects.write(kept))


def _check(manifest: Manifest, name: str, update: Update) -> None:
    tensor = manifest.groups.get(name)
    if name in manifest.aliases:
        raise BadUpdate(f"group {name} is tied to {manifest.aliases[name].owner}; update that one")
    if not tensor:
        raise BadUpdate(f"the checkpoint has no group {name}; to list them, type: git theta show PATH")
    length = element_count(tensor.shape) * DTYPES[tensor.dtype].itemsize
    if not (len(update.raw) == length if isinstance(update, Replaced) else fits(tensor, update)):
        raise BadUpdate(f"group {name}: the update does not fit {described(tensor)}")


def fits(tensor: Tensor, update: LowRank | Scaled | Added | Rows) -> bool:
    """Whether an update can be one of this group."""
    rows, columns = _matrix(tensor)
    if tensor.dtype not in FLOATS or tensor.strides:
        return False
    if not 0 < columns * DTYPES[tensor.dtype].itemsize <= MAX_CHUNK:
        return False
    match update:
        case LowRank(left, right):
            shapes = (left.rows, right.columns), left.columns
            return shapes == ((rows, columns), right.rows)
        case Scaled(vector):
            return vector.rows in (1, rows) and vector.columns in (1, columns)
        case Added(places, values):
            return places.shape == values.shape and _are_some_of(places, rows * columns)
        case Rows(places, values):
            return values.shape == (places.size, columns) and _are_some_of(places, rows)


def _are_some_of(places: NDArray[Any], count: int) -> bool:
    """Whether these are places among so many, none of them twice."""
    import numpy

    return bool(((places >= 0) & (places < count)).all()) and len(numpy.unique(places)) == places.size


def _matrix(tensor: Tensor) -> tuple[int, int]:
    """Rows and elements of a row."""
    return (tensor.shape[0] if tensor.shape else 1), element_count(tensor.shape[1:])


def changed(tensor: Tensor, recipes: Recipes, update: Update, store: Store) -> tuple[Recipe, Sketch]:
    """The recipe and sketch of one group that an update fits; raises what reading the group raises."""
    base = Base(tuple(chain(recipes, tensor.digest)))
    before = chains.chunks(base.recipes, tensor.name, store.objects)
    leans = base.depth < MAX_DEPTH
    sketcher = sketches.Sketcher(tensor.dtype)
    if isinstance(update, LowRank | Scaled) and leans:
        hasher = blake3()
        oids = []
        for data, raw in _pairs(tensor, update, before):
            hasher.update(raw)
            sketcher.update(raw)
            oids.append(store.objects.write(data))
        encoding = low_rank.NAME if isinstance(update, LowRank) else ia3.NAME
        return Recipe(hasher.hexdigest(), encoding, tuple(oids), (base.digest,)), sketcher.sketch()

    def sketched() -> Iterator[bytes]:
        for raw in _chunks(tensor, update, before):
            sketcher.update(raw)
            yield raw

    return stored(sketched(), tensor.dtype, store.objects, [base] if leans else []), sketcher.sketch()


def _pairs(tensor: Tensor, update: LowRank | Scaled, base: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The object and the new values for each chunk."""
    columns = _matrix(tensor)[1]
    start = 0
    for chunk in base:
        end = start + len(chunk) // (columns * DTYPES[tensor.dtype].itemsize)
        if isinstance(update, LowRank):
            left = update.left.of_rows(start, end)
            data = low_rank.encoded(tensor.dtype, update.scale, left, update.right)
            yield data, low_rank.decoded(data, [chunk])
        else:
            vector = update.vector if update.vector.rows == 1 else update.vector.of_rows(start, end)
            data = ia3.encoded(tensor.dtype, columns, vector)
            yield data, ia3.decoded(data, [chunk])
        start = end


def _chunks(tensor: Tensor, update: Update, base: Iterator[bytes]) -> Iterator[bytes]:
    """The new values of each chunk."""
    if isinstance(update, LowRank | Scaled):
        yield from (raw for _, raw in _pairs(tensor, update, base))
        return
    start = 0
    for chunk in base:
        if isinstance(update, Replaced):
            yield update.raw[start : start + len(chunk)]
        elif isinstance(update, Rows):
            yield _with_rows(chunk, tensor, update, start)
        else:
            yield _with_added(chunk, tensor.dtype, update, start // DTYPES[tensor.dtype].itemsize)
        start += len(chunk)


def _with_added(chunk: bytes, dtype: str, update: Added, first: int) -> bytes:
    """A chunk that begins at element ``first`` of its group; elements that nothing is added to keep their bits."""
    import numpy

    width = DTYPES[dtype].itemsize
    bits = numpy.frombuffer(chunk, f"<u{width}").copy()
    inside = (update.places >= first) & (update.places < first + bits.size) & (update.values != 0)
    places = update.places[inside] - first
    sums = widened(bits[places].tobytes(), dtype) + update.values[inside]
    bits[places] = numpy.frombuffer(rounded(sums, dtype), bits.dtype)
    return bits.tobytes()


def _with_rows(chunk: bytes, tensor: Tensor, update: Rows, start: int) -> bytes:
    """A chunk of whole rows that begins at byte ``start`` of its group."""
    import numpy

    length = _matrix(tensor)[1] * DTYPES[tensor.dtype].itemsize
    rows = numpy.frombuffer(chunk, numpy.uint8).reshape(-1, length).copy()
    places = update.places - start // length
    inside = (places >= 0) & (places < len(rows))
    new = numpy.frombuffer(rounded(update.values[inside], tensor.dtype), numpy.uint8)
    rows[places[inside]] = new.reshape(-1, length)
    return rows.tobytes()


def _rows(manifest: Manifest, new: Mapping[str, Sketch], store: Store) -> dict[str, bytes]:
    """Sketch rows by digest: of the new groups, and as far as they are here of the others."""
    rows = store.registry.sketches([tensor.digest for tensor in manifest.groups.values()])
    found = sketches.stored(manifest.sketches, store.objects)
    rows |= {digest: sketches.row(digest, sketch) for digest, sketch in found.items()}
    return rows | {digest: sketches.row(digest, sketch) for digest, sketch in new.items()}
