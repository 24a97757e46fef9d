"""Tensors of torch and arrays of numpy as raw little-endian bytes, and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from typing import Any

from theta_checkpoint.dtypes import DTYPES
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert

if TYPE_CHECKING:
    import torch

_BY_NUMPY_NAME = {dtype.numpy: dtype.name for dtype in DTYPES.values()}


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of torch or an array of numpy; imports neither."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    return bool(torch and isinstance(value, torch.Tensor)) or bool(numpy and isinstance(value, numpy.ndarray))


def identity(tensor: Any) -> object:
    """Equal for tensors that are one and the same memory, seen in the same way."""
    if not sys.modules.get("torch") or not isinstance(tensor, sys.modules["torch"].Tensor) or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.is_conj(), tensor.is_neg()


def torch_fact(thing: object) -> object:
    """A shape, dtype or device of torch as a pickle has it; None for anything else."""
    torch = sys.modules.get("torch")
    if torch and isinstance(thing, torch.Size):
        return Inert(Global("torch", "Size"), (tuple(thing),))
    if torch and isinstance(thing, torch.dtype):
        return Global("torch", str(thing).removeprefix("torch."))
    if torch and isinstance(thing, torch.device):
        return Inert(Global("torch", "device"), (str(thing),))
    return None


def dtype_name(tensor: Any) -> str:
    """The key of DTYPES; raises KeyError for an element type that no checkpoint holds."""
    name = getattr(tensor.dtype, "name", "") or str(tensor.dtype).removeprefix("torch.")
    return _BY_NUMPY_NAME[name]


def obstacle(tensor: Any) -> str | None:
    """Why a tensor's elements cannot be read in C order; None where they can."""
    if not sys.modules.get("torch") or not isinstance(tensor, sys.modules["torch"].Tensor):
        return None
    torch = sys.modules["torch"]
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        return "it has no shape before the first batch"
    if tensor.is_nested or tensor.layout != torch.strided:
        return f"its layout is {'nested' if tensor.is_nested else tensor.layout}; a dense tensor can be saved"
    if tensor.is_meta:
        return "it is on the meta device, without values"
    return None


def raw_bytes(tensor: Any) -> memoryview:
    """The elements in C order, little-endian; shares the tensor's memory where it is so already."""
    import numpy

    if not isinstance(tensor, numpy.ndarray):
        import torch

        plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        return memoryview(plain.reshape(-1).view(torch.uint8).numpy())
    ordered = numpy.ascontiguousarray(tensor).reshape(-1)
    if ordered.dtype.byteorder == ">":
        ordered = ordered.astype(ordered.dtype.newbyteorder("<"))
    return ordered.view(numpy.uint8).data


def torch_tensor(raw: bytearray, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None) -> torch.Tensor:
    """The tensor in these bytes, which share its memory; ``strides`` in elements. Raises ValueError."""
    import torch

    kind = getattr(torch, DTYPES[dtype].numpy)
    flat = torch.frombuffer(raw, dtype=kind) if raw else torch.empty(0, dtype=kind)
    if strides is None:
        return flat.reshape(shape)
    last = sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= flat.numel():
        raise ValueError(f"shape {shape} with strides {strides} does not lie in {flat.numel()} elements")
    return flat.as_strided(shape, strides)
