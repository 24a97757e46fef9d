"""Fine-tune feed-forward layers of a BERT checkpoint for a few steps:  finetune.py CHECKPOINT TASK LAYER...

A toy: for task number TASK each layer learns to map random inputs a little elsewhere. The gradients are real.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save_file
from torch.nn.functional import gelu
from torch.nn.functional import linear
from torch.nn.functional import mse_loss


def finetuned(state: dict[str, torch.Tensor], task: int, layer: int, steps: int = 10) -> dict[str, torch.Tensor]:
    """The four feed-forward tensors of a layer after some steps of gradient descent."""
    places = ("intermediate.dense", "output.dense")
    names = [f"encoder.layer.{layer}.{place}.{kind}" for place in places for kind in ("weight", "bias")]
    tensors = [state[name].clone().requires_grad_() for name in names]
    inputs, noise = torch.randn(2, 256, tensors[0].shape[1], generator=torch.Generator().manual_seed(task))
    target = _forward(inputs, tensors).detach() + noise
    optimizer = torch.optim.Adam(tensors, lr=1e-4)
    for _ in range(steps):
        optimizer.zero_grad()
        mse_loss(_forward(inputs, tensors), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return dict(zip(names, (tensor.detach() for tensor in tensors), strict=True))


def _forward(inputs: torch.Tensor, tensors: list[torch.Tensor]) -> torch.Tensor:
    return linear(gelu(linear(inputs, tensors[0], tensors[1])), tensors[2], tensors[3])


def main(path: Path, task: int, layers: list[int]) -> None:
    """Fine-tune some layers of a checkpoint file in place."""
    state = load_file(path)
    for layer in layers:
        state |= finetuned(state, task, layer)
    save_file(state, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(layer) for layer in sys.argv[3:]])
