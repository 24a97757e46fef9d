"""The order in which a tensor's elements lie in its file. Pure."""

from __future__ import annotations

from theta_checkpoint.layout import contiguous_strides


def storage_axes(shape: tuple[int, ...], strides: tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes from slowest to fastest: permuted so, the tensor's elements run in storage order."""
    steps = strides or contiguous_strides(shape)
    return tuple(sorted(range(len(shape)), key=lambda axis: (-steps[axis], axis)))
