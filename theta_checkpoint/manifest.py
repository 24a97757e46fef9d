"""The manifest: the text that stands for a checkpoint in git.

One fact a line, UTF-8, LF, sorted by group name. Above the skeleton line stands what the checkpoint *is*
(covered by ``root``); below it stands how to get it back::

    theta 1
    format safetensors
    root blake3:...
    value epoch 3
    group encoder.weight F32[768,768] blake3:...
    alias decoder.weight F32[768,768] encoder.weight
    skeleton blake3:...
    sketches sha256:bytes
    object blake3:... dense sha256:bytes...

An object's id says its size as well, since git-lfs servers give out only what is asked for with its size.

Names with anything but printable, unquoted characters are written as JSON strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from blake3 import blake3

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Layout
from theta_checkpoint.layout import Value
from theta_checkpoint.layout import byte_length
from theta_checkpoint.layout import byte_span

VERSION = "theta 1"
HEAD = VERSION.encode() + b"\n"
ANY_VERSION = b"theta "
"""what a manifest of any version of theta begins with"""
_FIRST_LINE = re.compile(rb"theta [1-9][0-9]{0,3}\n")

_HEX = r"[0-9a-f]{64}"
_OID = rf"{_HEX}(?::[0-9]{{1,18}})?"
_NAME = r'(?:"(?:[^"\\]|\\.)*"|[^\s"]+)'
_NUMBER = r"[0-9]{1,18}"
_NUMBERS = rf"{_NUMBER}(?:,{_NUMBER})*"
_BASES = rf"blake3:{_HEX}(?:,blake3:{_HEX})*"
_TENSOR = rf"(?P<dtype>{'|'.join(DTYPES)})\[(?P<shape>(?:{_NUMBERS})?)\]"
_LINES = {
    "format": re.compile(r"format (?P<format>[a-z0-9-]+)"),
    "root": re.compile(rf"root blake3:(?P<digest>{_HEX})"),
    "value": re.compile(rf"value (?P<name>{_NAME}) (?P<text>[^\x00-\x1f\x7f]+)"),
    "group": re.compile(
        rf"group (?P<name>{_NAME}) {_TENSOR}(?: strides=(?P<strides>{_NUMBERS}))? blake3:(?P<digest>{_HEX})"
    ),
    "alias": re.compile(
        rf"alias (?P<name>{_NAME}) {_TENSOR} (?P<owner>{_NAME})"
        rf"(?: offset=(?P<offset>{_NUMBER}))?(?: strides=(?P<strides>{_NUMBERS}))?"
    ),
    "skeleton": re.compile(rf"skeleton blake3:(?P<digest>{_HEX})"),
    "sketches": re.compile(rf"sketches (?P<oid>{_OID})"),
    "object": re.compile(
        rf"object blake3:(?P<digest>{_HEX}) (?P<encoding>[a-z0-9-]+)"
        rf"(?: base=(?P<bases>{_BASES}))?(?: at=(?P<span>{_NUMBER},{_NUMBER}))?(?P<oids>(?: {_OID})*)"
    ),
}
_OBJECTS = re.compile(
    rf"^(?:object blake3:\S+ \S+(?: base=\S+)?(?: at=\S+)?|sketches)((?: {_OID})+)$".encode(), re.MULTILINE
)


class BadManifest(Failure):
    """The text starts like a manifest and is not one that can be read."""

    def __init__(self, line: int, text: str, why: str) -> None:
        super().__init__(f"line {line}: {why}: {text[:80]!r}")
        self.line = line


class NewerManifest(BadManifest):
    """A manifest of a layout that this version of theta does not know."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A parameter group as the manifest knows it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    digest: str
    """BLAKE3 of the raw little-endian bytes, hexadecimal; for an alias, its owner's"""
    strides: tuple[int, ...] | None = None
    """elements per step of each axis when the bytes are a permutation of C order"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get the bytes of one digest back from objects."""

    digest: str
    """BLAKE3 of the bytes it restores"""
    encoding: str
    """a key of the encodings registry"""
    oids: tuple[str, ...]
    """the id of each object in order: its SHA-256, a colon, its length in bytes"""
    bases: tuple[str, ...] = ()
    """digests of the versions that an incremental encoding leans on; their recipes are in the same manifest"""
    span: tuple[int, int] | None = None
    """offset and length in bytes of what is this group's in its one object, when that is a bundle of several"""


@dataclass(frozen=True)
class Manifest:
    """A checkpoint, without its values."""

    format: str
    groups: Mapping[str, Tensor]
    aliases: Mapping[str, Alias]
    values: Mapping[str, Value]
    skeleton: str
    """BLAKE3 of the skeleton's bytes"""
    recipes: Mapping[str, Recipe]
    """by digest: every group, the skeleton, and every base they lean on"""
    sketches: str | None = None
    """id of the object that holds the sketches"""

    @cached_property
    def root(self) -> str:
        """BLAKE3 of the semantic lines: equal roots are byte-identical checkpoints."""
        return blake3("".join(self._semantic_lines).encode()).hexdigest()

    @cached_property
    def _semantic_lines(self) -> list[str]:
        return list(self._semantic_facts())

    def _semantic_facts(self) -> Iterable[str]:
        yield f"format {self.format}\n"
        for name, value in sorted(self.values.items()):
            yield f"value {quoted(name)} {value.text}\n"
        for name, tensor in sorted(self.groups.items()):
            strides = f" strides={_numbers(tensor.strides)}" if tensor.strides else ""
            yield f"group {quoted(name)} {described(tensor)}{strides} blake3:{tensor.digest}\n"
        for name, alias in sorted(self.aliases.items()):
            offset = f" offset={alias.offset}" if alias.offset else ""
            strides = f" strides={_numbers(alias.strides)}" if alias.strides else ""
            yield f"alias {quoted(name)} {described(alias)} {quoted(alias.owner)}{offset}{strides}\n"
        yield f"skeleton blake3:{self.skeleton}\n"

    def __str__(self) -> str:
        format_line, *rest = self._semantic_lines
        lines = [f"{VERSION}\n", format_line, f"root blake3:{self.root}\n", *rest]
        if self.sketches:
            lines.append(f"sketches {self.sketches}\n")
        for recipe in sorted(self.recipes.values(), key=lambda recipe: recipe.digest):
            bases = f" base={','.join(f'blake3:{base}' for base in recipe.bases)}" if recipe.bases else ""
            span = f" at={_numbers(recipe.span)}" if recipe.span else ""
            lines.append(
                " ".join((f"object blake3:{recipe.digest} {recipe.encoding}{bases}{span}", *recipe.oids)) + "\n"
            )
        return "".join(lines)

    def __bytes__(self) -> bytes:
        return str(self).encode()


def unstored(layout: Layout, digests: Mapping[str, str], skeleton: str) -> Manifest:
    """The manifest of a file with this layout, without recipes and sketches.

    ``digests`` has the BLAKE3 of each group's bytes by its name, ``skeleton`` is that of the skeleton's.
    """
    tensors = (
        Tensor(group.name, group.dtype, group.shape, digests[group.name], group.strides) for group in layout.groups
    )
    return Manifest(
        format=layout.format,
        groups={tensor.name: tensor for tensor in tensors},
        aliases={alias.name: alias for alias in layout.aliases},
        values={value.name: value for value in layout.values},
        skeleton=skeleton,
        recipes={},
    )


def described(tensor: Tensor | Alias) -> str:
    """``F32[768,768]``: dtype and shape as every text of ours writes them."""
    return f"{tensor.dtype}[{_numbers(tensor.shape)}]"


def quoted(name: str) -> str:
    """The name as it stands in a line: bare, or a JSON string where bare would be ambiguous."""
    if name and name.isascii() and name.isprintable() and not re.search(r'[\s"\\]', name):
        return name
    return json.dumps(name)


def unquoted(text: str) -> str:
    """The name that :func:`quoted` wrote."""
    return str(json.loads(text)) if text.startswith('"') else text


def is_manifest(data: bytes) -> bool:
    """Whether the bytes claim to be a manifest, of any version (they may still be damaged)."""
    return bool(_FIRST_LINE.match(data))


def object_ids(data: bytes) -> list[str]:
    """The id of every object that a manifest names, each once, without parsing the rest."""
    found = _OBJECTS.findall(data)
    return list(dict.fromkeys(oid.decode() for oids in found for oid in oids.split()))


def parse(data: bytes) -> Manifest:
    """The manifest written in these bytes.

    Raises :class:`BadManifest` for anything :class:`Manifest` would not have written itself.
    """
    lines = data.decode("utf-8", "replace").split("\n")
    found = _matched(lines)
    try:
        manifest = _assembled(found)
    except ValueError as error:
        raise BadManifest(1, lines[0], f"a name is not a JSON string ({error})") from error
    for alias in manifest.aliases.values():
        if not _lies_in(alias, manifest.groups.get(alias.owner)):
            raise BadManifest(1, lines[0], f"{quoted(alias.name)} does not lie in {quoted(alias.owner)}")
    if manifest.root != found["root"][0]["digest"]:
        raise BadManifest(3, lines[2], "the root does not match the lines below it")
    if bytes(manifest) != data:
        raise BadManifest(1, lines[0], "lines are doubled or out of order")
    return manifest


def _matched(lines: list[str]) -> dict[str, list[re.Match[str]]]:
    """The lines by their kind, each as that kind's pattern matches it."""
    if lines[0] != VERSION:
        raise NewerManifest(1, lines[0], "written by a newer theta; to read it, install that")
    if lines[-1]:
        raise BadManifest(len(lines), lines[-1], "the last line is cut off")
    found: dict[str, list[re.Match[str]]] = {kind: [] for kind in _LINES}
    for number, line in enumerate(lines[1:-1], start=2):
        kind = line.partition(" ")[0]
        match = _LINES[kind].fullmatch(line) if kind in _LINES else None
        if not match:
            raise BadManifest(number, line, "not a line of a manifest")
        found[kind].append(match)
    for kind in ("format", "root", "skeleton"):
        if len(found[kind]) != 1:
            raise BadManifest(1, lines[0], f"{len(found[kind])} lines of kind {kind!r}, not one")
    return found


def _assembled(found: Mapping[str, list[re.Match[str]]]) -> Manifest:
    return Manifest(
        format=found["format"][0]["format"],
        groups={group.name: group for group in map(_group, found["group"])},
        aliases={alias.name: alias for alias in map(_alias, found["alias"])},
        values={value.name: value for value in map(_value, found["value"])},
        skeleton=found["skeleton"][0]["digest"],
        recipes={recipe.digest: recipe for recipe in map(_recipe, found["object"])},
        sketches=found["sketches"][0]["oid"] if found["sketches"] else None,
    )


def _group(line: re.Match[str]) -> Tensor:
    name, shape, strides = unquoted(line["name"]), _shape(line["shape"]), _strides(line["strides"])
    return Tensor(name, line["dtype"], shape, line["digest"], strides)


def _alias(line: re.Match[str]) -> Alias:
    name, shape, strides = unquoted(line["name"]), _shape(line["shape"]), _strides(line["strides"])
    return Alias(name, line["dtype"], shape, unquoted(line["owner"]), int(line["offset"] or 0), strides)


def _value(line: re.Match[str]) -> Value:
    return Value(unquoted(line["name"]), line["text"])


def _recipe(line: re.Match[str]) -> Recipe:
    oids, bases, span = tuple(line["oids"].split()), _bases(line["bases"]), _span(line["span"])
    return Recipe(line["digest"], line["encoding"], oids, bases, span)


def _lies_in(alias: Alias, owner: Tensor | None) -> bool:
    if owner is None or (alias.strides and len(alias.strides) != len(alias.shape)):
        return False
    end = alias.offset + byte_span(alias.dtype, alias.shape, alias.strides)
    return end <= byte_length(owner.dtype, owner.shape)


def _numbers(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(extent) for extent in text.split(",")) if text else ()


def _strides(text: str | None) -> tuple[int, ...] | None:
    return _shape(text) if text else None


def _bases(text: str | None) -> tuple[str, ...]:
    return tuple(base.removeprefix("blake3:") for base in text.split(",")) if text else ()


def _span(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    offset, length = _shape(text)
    return offset, length
