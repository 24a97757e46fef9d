"""Checkpoints of git-theta 0.2.0, and of any commit that one leans on, as manifests of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from blake3 import blake3

from theta_checkpoint import skeleton
from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.formats import pytorch_zip
from theta_checkpoint.formats import safetensors
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Recipe
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.new_structure import inert
from theta_checkpoint.new_tensors import new_tensor
from theta_checkpoint.skeleton import Segment
from theta_cli.fetching import fetched
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import commit_entries
from theta_store import git_theta
from theta_store import sketches
from theta_store.bases import Base
from theta_store.bases import is_alike
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.chains import needed
from theta_store.checkpoint import StoredCheckpoint
from theta_store.chunks import MAX_CHUNK
from theta_store.chunks import WORKERS
from theta_store.chunks import chunk_length
from theta_store.chunks import chunk_ranges
from theta_store.encodings.factors import Factor
from theta_store.git_theta import Parameter
from theta_store.intake import stored
from theta_store.intake import taken_in
from theta_store.objects import hash_of
from theta_store.store import Store
from theta_store.updates import LowRank
from theta_store.updates import Scaled
from theta_store.updates import changed
from theta_store.updates import fits
from theta_store.values import array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_DTYPE_OF = {dtype.numpy: name for name, dtype in DTYPES.items()}


class CannotConvert(Failure):
    """A commit of git-theta that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Version:
    """A parameter as it is under a path in a commit."""

    path: str
    name: str
    parameter: Parameter


@dataclass
class GitThetaImport:
    """Takes checkpoints of git-theta into the store; each version of a parameter once."""

    repository: Repository
    store: Store
    lfs_objects: Path
    """where git-lfs keeps its objects"""
    _tensors: dict[_Version, Tensor] = field(default_factory=dict)
    _recipes: dict[str, Recipe] = field(default_factory=dict)
    _rows: dict[str, bytes] = field(default_factory=dict)
    """of sketches, by digest"""

    def manifest(self, path: str, parameters: Mapping[str, Parameter], earlier: Manifest | None) -> Manifest:
        """The manifest of a checkpoint, a safetensors file if its name says so, else one of PyTorch.

        Low-rank and IA3 updates stay what they are. Raises :class:`CannotConvert`, NotReadable, ObjectsMissing.
        """
        histories = {name: self._history(_Version(path, name, one)) for name, one in sorted(parameters.items())}
        self._fetch({version.parameter.oid for history in histories.values() for version in history})
        with ThreadPoolExecutor(WORKERS) as pool:
            taken = pool.map(lambda history: self._taken(history, earlier), histories.values())
            groups = dict(zip(histories, taken, strict=True))
        format, segments = _file(path, list(groups.values()))
        bones = self._skeleton(segments)
        digests = {tensor.digest for tensor in groups.values()}
        rows = {digest: self._rows[digest] for digest in sorted(digests)}
        recipes = needed(self._recipes, {*digests, bones.digest})
        self.store.registry.remember(recipes=recipes.values(), sketches=rows.items())
        return Manifest(
            format=format,
            groups=groups,
            aliases={},
            values={},
            skeleton=bones.digest,
            recipes=recipes,
            sketches=self.store.objects.write(b"".join(rows.values())),
        )

    def _history(self, version: _Version) -> list[_Version]:
        """A version and those that it changes, one behind the other, down to one that is here or dense."""
        found = [version]
        while found[-1] not in self._tensors and found[-1].parameter.kind != git_theta.DENSE:
            found.append(self._before(found[-1]))
        return found

    def _before(self, version: _Version) -> _Version:
        """The version that an update changes, wherever its file was then."""
        commit, name = version.parameter.commit, version.name
        if not commit or self.repository.finished("cat-file", "-e", f"{commit}^{{commit}}").returncode:
            what = f"commit {commit[:12]}, which its last update changes, is not here" if commit else "it has no base"
            raise CannotConvert(f"{version.path}: group {name}: {what}; try: git fetch --unshallow --all")
        blob = self.repository.blob(f"{commit}:{version.path}")
        if blob and name in (found := git_theta.parameters(blob) or {}):
            return _Version(version.path, name, found[name])
        renamed = list(self._elsewhere(commit, name))
        if len(renamed) != 1:
            raise CannotConvert(f"{version.path}: group {name}: commit {commit[:12]} has not the file it was in")
        return renamed[0]

    def _elsewhere(self, commit: str, name: str) -> Iterator[_Version]:
        paths = {entry.oid: entry.path for entry in commit_entries(self.repository, commit)}
        for oid, text in blobs_beginning(self.repository, paths, git_theta.HEAD):
            if name in (found := git_theta.parameters(text) or {}):
                yield _Version(paths[oid], name, found[name])

    def _fetch(self, oids: set[str]) -> None:
        lacking = {oid for oid in oids if not self._lfs_path(oid).exists()}
        if failed := fetched(self.repository, self.store.objects, lacking, None):
            first = next(iter(failed))
            raise CannotConvert(
                f"{len(failed)} objects of git-theta are not here, the first {hash_of(first)}: {failed[first]}; "
                "a clone that has them sends them with: git lfs push --object-id REMOTE OID"
            )

    def _taken(self, history: Sequence[_Version], earlier: Manifest | None) -> Tensor:
        """The newest version of a parameter, which is in the store when this returns."""
        tensor: Tensor | None = None
        for version in reversed(history):
            tensor = self._tensors.get(version) or self._next(version, tensor, earlier)
            self._tensors[version] = tensor
        assert tensor
        return tensor

    def _next(self, version: _Version, before: Tensor | None, earlier: Manifest | None) -> Tensor:
        """What an update made of the version before."""
        kind = version.parameter.kind
        try:
            parts = git_theta.parts(self._object(version.parameter.oid))
            if before and (update := _update(kind, parts, before)):
                recipe, sketch = changed(before, self._recipes, update, self.store)
                return self._kept(before, recipe, sketches.row(recipe.digest, sketch))
            values = git_theta.values(kind, parts, self._array(before) if before else None)
        except git_theta.NotReadable as error:
            raise CannotConvert(f"{version.path}: group {version.name}: {error}") from error
        return self._dense(version, values, before or (earlier.groups.get(version.name) if earlier else None))

    def _dense(self, version: _Version, values: Array, like: Tensor | None) -> Tensor:
        """Values of a parameter, which may lean on those of another."""
        if values.dtype.name not in _DTYPE_OF:
            raise CannotConvert(f"{version.path}: group {version.name}: no checkpoint holds {values.dtype}")
        tensor = Tensor(version.name, _DTYPE_OF[values.dtype.name], values.shape, "")
        alike = like and like.digest in self._recipes and is_alike(tensor, like)
        base = Base(tuple(chain(self._recipes, like.digest))) if like and alike else None
        bases = [base] if base and base.depth < MAX_DEPTH else []
        raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        pieces = (
            raw[start : start + length]
            for start, length in chunk_ranges(len(raw), chunk_length(tensor.dtype, tensor.shape))
        )
        intake = taken_in(pieces, tensor.dtype, self.store.objects, bases)
        return self._kept(tensor, intake.recipe, intake.sketch)

    def _kept(self, tensor: Tensor, recipe: Recipe, row: bytes) -> Tensor:
        """The tensor with these values; those that were here before keep the recipe that others may lean on."""
        self._recipes.setdefault(recipe.digest, recipe)
        self._rows[recipe.digest] = row
        return Tensor(tensor.name, tensor.dtype, tensor.shape, recipe.digest)

    def _array(self, tensor: Tensor) -> Array:
        manifest = Manifest("", {tensor.name: tensor}, {}, {}, "", self._recipes)
        return array(StoredCheckpoint(manifest, self.store.objects), tensor.name)

    def _object(self, oid: str) -> bytes:
        """An object of git-theta; raises :class:`NotReadable` where it is not what its name says."""
        place = self._lfs_path(oid)
        data = place.read_bytes() if place.exists() else self.store.objects.read(oid)
        if hashlib.sha256(data).hexdigest() != hash_of(oid):
            raise git_theta.NotReadable(f"its object {place} is damaged; get it anew: delete it, and try again")
        return data

    def _lfs_path(self, oid: str) -> Path:
        return self.lfs_objects / oid[:2] / oid[2:4] / hash_of(oid)

    def _skeleton(self, segments: Iterable[Segment]) -> Recipe:
        """How to restore the skeleton, which is stored now."""
        bones = skeleton.encoded(list(segments))
        known = self._recipes.get(blake3(bones).hexdigest())
        pieces = (bones[start : start + length] for start, length in chunk_ranges(len(bones), MAX_CHUNK))
        recipe = known or stored(pieces, "U8", self.store.objects)
        self._recipes[recipe.digest] = recipe
        return recipe


def _file(path: str, groups: Sequence[Tensor]) -> tuple[str, list[Segment]]:
    """Format and segments of the file that the parameters go into: of PyTorch, one dict."""
    if path.endswith(".safetensors"):
        return safetensors.NAME, safetensors.written(groups, (), ())
    found = {group.name: new_tensor(group, number) for number, group in enumerate(groups)}
    return pytorch_zip.NAME, pytorch_zip.written(groups, inert(found))


def _update(kind: str, parts: Mapping[str, Array], before: Tensor) -> LowRank | Scaled | None:
    """The same update as one that is stored as such; None where there is none, or where it widens the dtype."""
    if any(_DTYPE_OF.get(part.dtype.name) != before.dtype or part.ndim != 2 for part in parts.values()):
        return None
    factors = {name: Factor(before.dtype, len(part), part.shape[1], part.tobytes()) for name, part in parts.items()}
    update: LowRank | Scaled | None = None
    if kind == "low-rank" and factors.keys() == {"R", "C"}:
        update = LowRank(factors["R"], factors["C"])
    elif kind == "ia3" and factors.keys() == {"ia3"}:
        update = Scaled(factors["ia3"])
    return update if update and fits(before, update) else None
