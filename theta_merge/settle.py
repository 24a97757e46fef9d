"""Settle: an outcome becomes a manifest; what strategies compute goes to the store as new objects."""

from __future__ import annotations

import contextlib
from collections import ChainMap
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING

from strategies.contract import CannotMerge
from theta_checkpoint import skeleton
from theta_checkpoint.layout import byte_length
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_merge.adapters import both_factors
from theta_merge.choices import Choice
from theta_merge.decide import Open
from theta_merge.engine import computer
from theta_merge.fetching import Fetch
from theta_merge.fetching import objects_to_read
from theta_merge.outcome import Computed
from theta_merge.outcome import Outcome
from theta_merge.outcome import Taken
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome
from theta_merge.side_data import Beside
from theta_merge.side_data import Nothing
from theta_merge.side_data import SideData
from theta_merge.side_data import check_unchanged
from theta_merge.side_data import side_data
from theta_merge.side_data import unfit
from theta_merge.storage_order import storage_axes
from theta_merge.untied import Untied
from theta_store import bases
from theta_store import sketches
from theta_store import values
from theta_store.bases import Base
from theta_store.bundle import Bundler
from theta_store.chains import Recipes
from theta_store.chains import needed
from theta_store.chains import restorable
from theta_store.chains import shallowest
from theta_store.checkpoint import Checkpoint
from theta_store.checkpoint import StoredCheckpoint
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.chunks import chunk_length
from theta_store.chunks import chunk_ranges
from theta_store.intake import Intake
from theta_store.intake import intake
from theta_store.intake import stored
from theta_store.objects import CorruptObject
from theta_store.objects import MissingObject
from theta_store.sketches import Sketch
from theta_store.store import Store

_NOTHING = Nothing()


if TYPE_CHECKING:
    from theta_merge.compute import Computer


def _nowhere(oids: Sequence[str]) -> None:
    """Where there is nothing to fetch from."""


@dataclass(frozen=True)
class Settled:
    """A merge that is done: always a valid manifest, and what is still a conflict in it."""

    manifest: Manifest
    open: tuple[Open, ...]
    notes: tuple[str, ...]


def settled(
    versions: Versions,
    choices: Mapping[str, Choice],
    store: Store,
    preferred: int | None = None,
    locate: Beside = _NOTHING,
    fetch: Fetch = _nowhere,
) -> Settled:
    """The merge under these choices, its new values stored; a group that cannot be computed stays ours and open.

    Only conflicting groups are read; what is not here of them is fetched first, all at once. The result does not
    depend on the number of threads. ``locate`` finds side data; raises
    :class:`theta_merge.side_data.NoSideData` where there is none, before any value is read, and
    :class:`theta_store.reading.FileChanged` if a file of it was written to meanwhile.
    """
    wanted = outcome(versions, choices, preferred)
    with side_data((group.choice for group in wanted.computed), len(versions.sides), locate) as data:
        unserved = unfit(wanted.computed, data)
        if unserved:
            wanted = outcome(versions, choices, preferred, unserved)
        fetch(objects_to_read(wanted))
        made = _made(wanted, store, data, locate)
        if made.refused:
            frame = wanted.frame.manifest
            wanted = outcome(versions, choices, preferred, both_factors({**unserved, **made.refused}))
            if wanted.frame.manifest != frame:
                made = _made(wanted, store, data, locate)
        check_unchanged(data)
    done = _stored(wanted, made.intakes, store)
    return replace(done, notes=(*done.notes, *made.notes))


def readable(manifest: Manifest, store: Store) -> Checkpoint:
    """The checkpoint of a manifest, tied names readable as tensors of their own."""
    return Untied(StoredCheckpoint(manifest, store.objects))


@dataclass(frozen=True, slots=True)
class _Made:
    """What became of the groups that strategies were to compute."""

    intakes: Mapping[str, Intake] = field(default_factory=dict)
    """what was computed and stored, by name"""
    refused: Mapping[str, str] = field(default_factory=dict)
    """why others could not be, by name"""
    notes: tuple[str, ...] = ()


def _made(wanted: Outcome, store: Store, data: SideData, locate: Beside) -> _Made:
    """Every group computed that an outcome says is to be, several at a time, and stored."""
    if not wanted.computed:
        return _Made()
    versions = (*wanted.versions.sides, wanted.versions.base)
    checkpoints = [readable(version, store) if version else None for version in versions]
    engine = computer(checkpoints, data, locate).surveyed(wanted.computed)
    near = _Near.of(wanted.versions, store)
    refused: dict[str, str] = {}

    def finished() -> Iterator[tuple[str, Intake]]:
        with ThreadPoolExecutor(WORKERS) as pool:
            results = pool.map(lambda group: _taken_in_or_why_not(engine, group, near, store), wanted.computed)
            for group, result in zip(wanted.computed, results, strict=True):
                if isinstance(result, Intake):
                    yield group.state.name, result
                else:
                    refused[group.state.name] = result

    intakes = _bundled(finished(), store)
    return _Made(intakes, refused, tuple(engine.cautions.notes()))


def _bundled(intakes: Iterable[tuple[str, Intake]], store: Store) -> dict[str, Intake]:
    """The intakes by name, small ones in bundles, as `git add` has them."""
    bundler = Bundler(store.objects)
    found: dict[str, Intake] = {}
    placed: dict[str, Recipe] = {}
    for name, one in intakes:
        found[name] = replace(one, held=None)
        if one.held is not None:
            placed.update((recipe.digest, recipe) for recipe in bundler.add(one.recipe, one.held))
    placed.update((recipe.digest, recipe) for recipe in bundler.close())
    return {name: replace(one, recipe=placed.get(one.digest, one.recipe)) for name, one in found.items()}


@dataclass(frozen=True, slots=True)
class _Near:
    """What merged groups may lean on."""

    versions: tuple[Manifest, ...]
    """those that are merged, ours first"""
    recipes: Recipes
    """of what can be restored here"""
    sketches: Mapping[str, Sketch]

    @classmethod
    def of(cls, versions: Versions, store: Store) -> _Near:
        """What the versions of a merge offer."""
        present = tuple(version for version in (*versions.sides, versions.base) if version)
        recipes = shallowest(*(restorable(version.recipes, store.objects) for version in present))
        known = ChainMap(*(StoredCheckpoint(version, store.objects).sketches for version in present))
        return cls(present, recipes, known)

    def bases(self, tensor: Tensor) -> list[Base]:
        """The versions of one group."""
        found = (base for version in self.versions for base in bases.versions(tensor, version, self.recipes)[:1])
        return list({base.digest: base for base in found}.values())


def _taken_in_or_why_not(engine: Computer, group: Computed, near: _Near, store: Store) -> Intake | str:
    try:
        return _taken_in(engine, group, near, store)
    except (CannotMerge, MissingObject, CorruptObject) as error:
        name = group.state.name
        return str(error).removeprefix(f"group {name!r}: ").removeprefix(f"group {name}: ")


def _taken_in(engine: Computer, group: Computed, near: _Near, store: Store) -> Intake:
    """A computed group in the store, leaning on what it was computed from where that makes it smaller."""
    length, dtype = _length(group.state), group.state.dtype
    with contextlib.suppress(MissingObject, CorruptObject):
        return intake(engine.chunks(group), length, dtype, store.objects, near.bases(group.state), near.sketches)
    return intake(engine.chunks(group), length, dtype, store.objects)


def _length(tensor: Tensor) -> int:
    return byte_length(tensor.dtype, tensor.shape)


def _stored(wanted: Outcome, computed: Mapping[str, Intake], store: Store) -> Settled:
    """The manifest of an outcome whose computed groups are stored."""
    new = {**computed, **_reordered(wanted, store)}
    frame = wanted.frame.manifest
    groups = {name: replace(tensor, digest=_digest(wanted.groups[name], new)) for name, tensor in frame.groups.items()}
    digests = {*(tensor.digest for tensor in groups.values()), frame.skeleton}
    fresh = {one.digest: one for one in new.values()}
    made = [*(one.recipe for one in fresh.values()), *_skeleton_recipe(wanted, store)]
    known = _known(wanted, made)
    recipes = needed(known, digests)
    rows = _rows(wanted, digests, fresh, store)
    manifest = replace(frame, groups=groups, recipes=recipes, sketches=store.objects.write(rows) if rows else None)
    store.registry.remember(
        recipes=needed(known, fresh).values(),
        sketches=[(one.digest, one.sketch) for one in fresh.values()],
    )
    same = next((side for side in wanted.versions.sides if side.root == manifest.root), manifest)
    return Settled(same, wanted.open, wanted.notes)


def _digest(group: Taken | Computed, new: Mapping[str, Intake]) -> str:
    assert isinstance(group.state, Tensor)
    return new[group.state.name].digest if group.state.name in new else group.state.digest


def _reordered(wanted: Outcome, store: Store) -> dict[str, Intake]:
    """Groups taken from a version that stores their elements in another order than the file they go into."""
    return _bundled(_in_order(wanted, store), store)


def _in_order(wanted: Outcome, store: Store) -> Iterator[tuple[str, Intake]]:
    for name, tensor in wanted.frame.manifest.groups.items():
        group = wanted.groups[name]
        if isinstance(group, Taken) and isinstance(group.state, Tensor) and group.state.strides != tensor.strides:
            version = wanted.versions[group.version]
            assert version is not None
            chunks = chunks_in_order(readable(version, store), tensor)
            yield name, intake(chunks, _length(tensor), tensor.dtype, store.objects)


def chunks_in_order(checkpoint: Checkpoint, target: Tensor) -> Iterator[bytes]:
    """A group's bytes in the storage order of ``target``, cut into the chunks in which they are stored."""
    array = values.array(checkpoint, target.name)
    data = array.transpose(storage_axes(target.shape, target.strides)).tobytes()
    for start, length in chunk_ranges(len(data), chunk_length(target.dtype, target.shape)):
        yield data[start : start + length]


def _skeleton_recipe(wanted: Outcome, store: Store) -> list[Recipe]:
    """How to restore the skeleton of a new file, which is stored now."""
    if not wanted.frame.segments:
        return []
    bones = skeleton.encoded(list(wanted.frame.segments))
    pieces = (bones[start : start + length] for start, length in chunk_ranges(len(bones), MAX_CHUNK))
    return [stored(pieces, "U8", store.objects)]


def _known(wanted: Outcome, made: Iterable[Recipe]) -> dict[str, Recipe]:
    """How to restore every digest. What a version has already stays as it is: so nothing leans in circles."""
    versions = (wanted.versions.base, *wanted.versions.sides)
    known = shallowest(*(version.recipes for version in versions if version))
    return {**{recipe.digest: recipe for recipe in made}, **known}


def _rows(wanted: Outcome, digests: set[str], fresh: Mapping[str, Intake], store: Store) -> bytes:
    """The sketches of the merged groups, as far as they are here."""
    rows = {digest: one.sketch for digest, one in fresh.items()}
    for version in (wanted.versions.base, *wanted.versions.sides):
        if version:
            for digest, sketch in StoredCheckpoint(version, store.objects).sketches.items():
                rows.setdefault(digest, sketches.row(digest, sketch))
    return b"".join(row for digest, row in sorted(rows.items()) if digest in digests)
