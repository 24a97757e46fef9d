"""Files with parameter-efficient updates: what their entries mean for the groups of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.layout import Alias
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import described
from theta_store.checkpoint import FileCheckpoint
from theta_store.checkpoint import opened
from theta_store.encodings.factors import FLOATS
from theta_store.encodings.factors import Factor
from theta_store.encodings.factors import rounded
from theta_store.encodings.factors import widened
from theta_store.updates import Added
from theta_store.updates import BadUpdate
from theta_store.updates import LowRank
from theta_store.updates import Replaced
from theta_store.updates import Scaled
from theta_store.updates import Update
from theta_store.values import array

if TYPE_CHECKING:
    from numpy.typing import NDArray

Groups = Mapping[str, Tensor | Alias]
"""what can be updated, by name"""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How git-theta names an update of one kind: entries ``GROUP/PART``."""

    parts: tuple[str, ...]
    """that each updated group must have"""
    read: Callable[[FileCheckpoint, str, Groups], Update]
    ignored: tuple[str, ...] = ()
    """parts that may be there too"""


def updates_in(path: Path, kind: str, groups: Groups) -> dict[str, Update]:
    """The updates in a checkpoint file, of a kind of :data:`KINDS`, by the groups of a checkpoint.

    An entry with the name of a group replaces that group. Raises :class:`BadUpdate`, OSError.
    """
    spec = KINDS[kind]
    with opened(path) as data:
        names = data.manifest.groups.keys()
        whole = names & groups.keys()
        updated = {name.removesuffix(f"/{part}") for part in spec.parts for name in names if name.endswith(f"/{part}")}
        needed = {f"{group}/{part}" for group in updated for part in spec.parts}
        allowed = {f"{group}/{part}" for group in updated for part in spec.ignored}
        if odd := sorted((needed - names) | (names - needed - allowed - whole)):
            parts = " and ".join(f"GROUP/{part}" for part in spec.parts)
            raise BadUpdate(f"{path}: {odd[0]}: an update of type {kind} has {parts} for each group, and nothing else")
        updates = {group: spec.read(data, group, groups) for group in sorted(updated)}
        updates |= {name: replacement(data, name, groups, name) for name in sorted(whole)}
        data.check_unchanged()
        return updates


def factor(matrix: NDArray[Any], data: FileCheckpoint, name: str) -> Factor:
    """A matrix made from the entry ``name``, of whose dtype it is."""
    dtype = data.manifest.groups[name].dtype
    if matrix.ndim != 2 or dtype not in FLOATS:
        raise BadUpdate(f"{name}: a factor is a matrix of one of {', '.join(FLOATS)}")
    rows, columns = matrix.shape
    return Factor(dtype, rows, columns, matrix.tobytes())


def float64(data: FileCheckpoint, name: str) -> NDArray[Any]:
    """The values of the entry ``name``; raises :class:`BadUpdate` unless they are floats."""
    tensor = data.manifest.groups[name]
    if tensor.dtype not in FLOATS:
        raise BadUpdate(f"{name}: values are of one of {', '.join(FLOATS)}, not {tensor.dtype}")
    return widened(array(data, name).tobytes(), tensor.dtype).reshape(tensor.shape)


def replacement(data: FileCheckpoint, name: str, groups: Groups, group: str) -> Replaced:
    """The entry ``name`` as all values of a group; floats are rounded to its dtype."""
    new, old = data.manifest.groups[name], groups[group]
    if new.shape != old.shape or not (new.dtype == old.dtype or {new.dtype, old.dtype} <= {*FLOATS}):
        raise BadUpdate(f"group {group}: {name} is {described(new)}, it is {described(old)}")
    return Replaced(array(data, name).tobytes() if new.dtype == old.dtype else rounded(float64(data, name), old.dtype))


def scaled(vector: NDArray[Any], shape: tuple[int, ...], data: FileCheckpoint, name: str) -> Scaled:
    """A vector from the entry ``name`` that broadcasts against a group, as a matrix that does so against its rows.

    Raises ValueError if it does not broadcast.
    """
    import numpy

    vector = vector.reshape((1,) * (len(shape) - vector.ndim) + vector.shape)
    inner = numpy.broadcast_to(vector, (*vector.shape[:1], *shape[1:])) if vector[:1].size > 1 else vector
    numpy.broadcast_to(inner, shape)
    rows = vector.shape[0] if shape else 1
    return Scaled(factor(inner.reshape(rows, -1), data, name))


def _low_rank(data: FileCheckpoint, group: str, groups: Groups) -> Update:
    left, right = (factor(array(data, f"{group}/{part}"), data, f"{group}/{part}") for part in ("R", "C"))
    return LowRank(left, right)


def _sparse(data: FileCheckpoint, group: str, groups: Groups) -> Update:
    places = array(data, f"{group}/indices").reshape(-1)
    if places.dtype.kind not in "iu":
        raise BadUpdate(f"{group}/indices: positions are integers, not {places.dtype}")
    return Added(places.astype("i8"), float64(data, f"{group}/data").reshape(-1))


def _ia3(data: FileCheckpoint, group: str, groups: Groups) -> Update:
    name = f"{group}/ia3"
    if group not in groups:
        raise BadUpdate(f"the checkpoint has no group {group}")
    try:
        return scaled(array(data, name), groups[group].shape, data, name)
    except ValueError as error:
        raise BadUpdate(f"group {group}: its vector does not fit: {error}") from error


KINDS = {
    "low-rank": _Kind(("R", "C"), _low_rank),
    "sparse": _Kind(("data", "indices"), _sparse, ignored=("indptr", "shape")),
    "ia3": _Kind(("ia3",), _ia3),
}
