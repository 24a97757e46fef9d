"""What git-theta 0.2.0 stored, for reading (Kandpal et al. 2023, arXiv 2306.04529).

In place of a checkpoint, a commit holds a JSON text: objects nested by the parts of a parameter's name, and for each
parameter ``tensor_metadata`` (shape, dtype, a hash), ``lfs_metadata`` (SHA-256 and size of an object of git-lfs) and
``theta_metadata`` (``update_type`` and ``last_commit``). The object is a MessagePack map from the name of a part to a
zarr v2 array, which is itself a map from file name to content.

An update of type ``dense`` has the one part ``parameter``, the values. Every other type changes the values that the
parameter has, under the same path, in the commit ``last_commit``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.failure import Failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

HEAD = b'{\n    "'
"""how each text begins"""
ENOUGH = 4096
"""bytes of a text that tell whether it is one"""
DENSE = "dense"
_VALUES = "parameter"
_LEAF = "lfs_metadata"


class NotReadable(Failure):
    """Something of git-theta's that is damaged, or of a kind that only a plug-in of it knows."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as a commit describes it."""

    kind: str
    """type of the update"""
    oid: str
    """of the object: SHA-256 and size, ``HEX:123``"""
    commit: str | None
    """where the values are that the update changes"""


def seems(text: bytes) -> bool:
    """Whether a text of which this is the beginning may be git-theta's."""
    return text.startswith(HEAD) and b'"tensor_metadata": {' in text[:ENOUGH]


def parameters(text: bytes) -> dict[str, Parameter] | None:
    """The parameters by name, their parts joined with ``/``; None if the text is none of git-theta's."""
    if not seems(text):
        return None
    try:
        return dict(_parameters(json.loads(text), ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _parameters(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Parameter]]:
    for key, value in node.items():
        if _LEAF in value:
            pointer, theta = value[_LEAF], value["theta_metadata"]
            size = int(pointer["size"])
            yield f"{prefix}{key}", Parameter(theta["update_type"], f"{pointer['oid']}:{size}", theta["last_commit"])
        else:
            yield from _parameters(value, f"{prefix}{key}/")


def parts(data: bytes) -> dict[str, Array]:
    """The arrays of an object by name; raises :class:`NotReadable`."""
    import msgpack

    try:
        files = msgpack.unpackb(data)
        return {name: _array(files[name]) for name in files}
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise NotReadable(f"an object of git-theta does not decode: {error}") from error


def _array(files: Mapping[str, bytes]) -> Array:
    """A zarr v2 array given by its files."""
    import tensorstore

    context = tensorstore.Context()
    folder = tensorstore.KvStore.open("memory://", context=context).result()
    for name, content in files.items():
        folder[name] = content
    found: Array = (
        tensorstore.open({"driver": "zarr", "kvstore": "memory://"}, context=context).result().read().result()
    )
    return found


def values(kind: str, found: Mapping[str, Array], base: Array | None) -> Array:
    """What a parameter's values are after an update with these parts; raises :class:`NotReadable`.

    Dtypes are promoted as numpy does it, so that the result may be wider than ``base``.
    """
    try:
        if kind == DENSE:
            return found[_VALUES]
        assert base is not None
        match kind:
            case "low-rank" if _VALUES in found:
                return found[_VALUES] + base
            case "low-rank":
                return found["R"] @ found["C"] + base
            case "sparse":
                return _spread(found["indices"], found["data"], base.size).reshape(base.shape) + base
            case "ia3":
                return base * found["ia3"]
    except (KeyError, ValueError, IndexError) as error:
        raise NotReadable(f"an update of type {kind} of git-theta does not fit: {error}") from error
    raise NotReadable(f"git-theta's updates of type {kind!r} are those of a plug-in; make a dense commit of it first")


def _spread(places: Array, given: Array, size: int) -> Array:
    """Zeros but for the given numbers, which add up where places are the same."""
    import numpy

    found = numpy.zeros(size, given.dtype)
    numpy.add.at(found, places, given)
    return found
