"""Arrays as they are stored, and tensors of torch, which share their memory. Importing this imports torch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from typing import Any

import numpy
import torch

from theta_checkpoint.dtypes import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# glibc hands every block larger than a threshold back to the system, and asks for fresh zeros for the next one: for
# slices that costs more than all arithmetic. The largest block freed so far becomes the threshold, up to 32 MiB.
numpy.empty(31 << 20, numpy.uint8)
# Groups are computed side by side, a core each: threads within one would only wait for one another, and its sums
# would depend on their number.
torch.set_num_threads(1)
# Values arrive as read-only arrays, and no strategy writes to its inputs. torch warns of that once in a process: here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.from_numpy(numpy.frombuffer(b"once", numpy.uint8))


def torch_dtype(dtype: str) -> torch.dtype:
    """The torch type for a dtype of :data:`theta_checkpoint.dtypes.DTYPES`."""
    found: torch.dtype = getattr(torch, DTYPES[dtype].numpy)
    return found


def tensor_of(array: NDArray[Any]) -> torch.Tensor:
    """The array as a tensor that shares its memory; bfloat16 and float8 by their bits."""
    if array.dtype.kind not in "Vf" or array.dtype.itemsize > 2 or array.dtype == numpy.float16:
        return torch.from_numpy(array)
    bits = torch.from_numpy(array.view(numpy.int16 if array.dtype.itemsize == 2 else numpy.uint8))
    return bits.view(getattr(torch, array.dtype.name))


def raw_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of its elements, in C order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    return flat.view(torch.uint8).numpy().data
