"""Checkpoints of BERT-base shape, made from seeds: 194 groups, 108.9 M parameters, 435 MB in float32."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy
from numpy.typing import NDArray

WIDTH = 768
LAYERS = 12
Shapes = dict[str, tuple[int, ...]]


def bert_shapes(layers: int = LAYERS) -> Shapes:
    """Shape by group name."""
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (30522, WIDTH),
        "embeddings.position_embeddings.weight": (512, WIDTH),
    }
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes[f"{name}.attention.self.{part}.weight"] = (WIDTH, WIDTH)
            shapes[f"{name}.attention.self.{part}.bias"] = (WIDTH,)
        for part, rows, columns in (
            ("attention.output", WIDTH, WIDTH),
            ("intermediate", 4 * WIDTH, WIDTH),
            ("output", WIDTH, 4 * WIDTH),
        ):
            shapes[f"{name}.{part}.dense.weight"] = (rows, columns)
            shapes[f"{name}.{part}.dense.bias"] = (rows,)
        for part in ("attention.output", "output"):
            shapes[f"{name}.{part}.LayerNorm.weight"] = (WIDTH,)
            shapes[f"{name}.{part}.LayerNorm.bias"] = (WIDTH,)
    return shapes


def group_values(name: str, shape: tuple[int, ...], tuned: int = 0) -> NDArray[numpy.float32]:
    """A group as a trained model has it (normal, scale 0.02); ``tuned`` > 0 adds that fine-tune's update."""
    seed = zlib.crc32(name.encode())
    values = numpy.random.default_rng(seed).standard_normal(shape, numpy.float32) * numpy.float32(0.02)
    if tuned:
        update = numpy.random.default_rng([seed, tuned]).standard_normal(shape, numpy.float32)
        values += update * numpy.float32(0.001)
    return values


def write_safetensors(path: Path, shapes: Shapes, tuned_groups: tuple[str, ...] = (), tuned: int = 0) -> None:
    """A safetensors file; groups whose names start with one of ``tuned_groups`` carry the update ``tuned``."""
    header: dict[str, object] = {}
    offset = 0
    for name, shape in shapes.items():
        length = 4 * int(numpy.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (offset, offset + length)}
        offset += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in _tuned_values(shapes, tuned_groups, tuned):
            file.write(values.tobytes())


def write_torch(path: Path, shapes: Shapes, tuned_groups: tuple[str, ...] = (), tuned: int = 0) -> None:
    """The same as :func:`write_safetensors`, as ``torch.save`` writes it."""
    import torch

    values = map(torch.from_numpy, _tuned_values(shapes, tuned_groups, tuned))
    torch.save(dict(zip(shapes, values, strict=True)), path)


def _tuned_values(shapes: Shapes, tuned_groups: tuple[str, ...], tuned: int) -> Iterator[NDArray[numpy.float32]]:
    for name, shape in shapes.items():
        yield group_values(name, shape, tuned if name.startswith(tuned_groups) else 0)
