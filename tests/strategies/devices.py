"""A device that is not the CPU, for machines that have none: its tensors hold their values in the CPU's memory.

It refuses what CUDA refuses: an operation on tensors of two devices (but for 0-d ones of the CPU, and copies), and
``numpy()``. So code that passes on it never mixes devices; that each operation exists on CUDA it does not prove.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_flatten
from torch.utils._pytree import tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretended")
DEVICE = torch.device("pretended:0")
_COPIES = ("copy_", "_to_copy")


class OnDevice(torch.Tensor):
    """A tensor on the pretended device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnDevice:
        made: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """The same on the held values."""
        options = dict(kwargs or {})
        _refuse_a_mix(func, tree_flatten((args, options))[0])
        device = torch.device(options.pop("device", None) or DEVICE)
        found = func(*tree_map_only(OnDevice, _held, args), **tree_map_only(OnDevice, _held, options))
        if device.type == "cpu" or (func.overloadpacket.__name__ == "copy_" and not isinstance(args[0], OnDevice)):
            return found
        wrapped = tree_map_only(torch.Tensor, OnDevice, found)
        return return_and_correct_aliasing(func, args, kwargs or {}, wrapped)  # type: ignore[no-untyped-call]

    def tolist(self) -> Any:
        """As of any tensor."""
        return self.held.tolist()


def _held(tensor: OnDevice) -> torch.Tensor:
    return tensor.held


def _refuse_a_mix(func: Any, given: list[Any]) -> None:
    others = [each for each in given if isinstance(each, torch.Tensor) and not isinstance(each, OnDevice) and each.ndim]
    if others and func.overloadpacket.__name__ not in _COPIES:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found {DEVICE} and cpu")


class Pretended(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, this thread can make tensors on the device, and copy the CPU's to it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        if torch.device(options.get("device") or "cpu") != DEVICE:
            return func(*args, **options)
        found = func(*tree_map_only(OnDevice, _held, args), **{**options, "device": "cpu"})
        return tree_map_only(torch.Tensor, OnDevice, found)
